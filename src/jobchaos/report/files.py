"""Files: the report file that a user asked for, by its suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.report.html_report import write_html
from jobchaos.report.json_report import write_json
from jobchaos.report.xml_report import write_xml

_WRITERS: Mapping[str, Callable[[Sequence[Mapping[str, Any]], Path], None]] = {
    ".json": write_json,
    ".html": write_html,
    ".xml": write_xml,
}


def write_report(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows from `to_dict` to `path`; its directory is made if it is missing.

    Raises:
        UsageError: If the suffix is none of .json, .html and .xml; nothing is written.
        MissingExtraError: If a library for that kind of file is missing.
    """
    target = Path(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise UsageError(f"cannot write a report to {str(path)!r}: its name must end in one of {', '.join(_WRITERS)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    writer(rows, target)
