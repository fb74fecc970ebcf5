"""Files: the report file that a user asked for, by its suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.report.html_report import require_jinja, write_html
from jobchaos.report.json_report import write_json
from jobchaos.report.xml_report import write_xml

_WRITERS: Mapping[str, Callable[[Sequence[Mapping[str, Any]], Path], None]] = {
    ".json": write_json,
    ".html": write_html,
    ".xml": write_xml,
}


def require_writer(path: str | os.PathLike[str]) -> None:
    """Find out early whether `write_report` will be able to write that kind of file.

    Raises:
        UsageError: If the suffix is none of .json, .html and .xml.
        MissingExtraError: If a library for that kind of file is missing.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(
            f"cannot write a report to {os.fspath(path)!r}: its name must end in one of {', '.join(_WRITERS)}"
        )
    if suffix == ".html":
        require_jinja()


def write_report(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows from `to_dict` to `path`; its directory is made if it is missing.

    Raises:
        UsageError: As `require_writer`; nothing is written.
        OSError: If the file cannot be written.
    """
    require_writer(path)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[target.suffix.lower()](rows, target)
