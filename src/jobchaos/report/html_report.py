"""HTML: verdicts as one page without scripts or other files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from jobchaos.errors import MissingExtraError

_TEMPLATE = "report.html.j2"


def require_jinja() -> ModuleType:
    """The library that fills in the page.

    Raises:
        MissingExtraError: If jinja2 is not installed.
    """
    try:
        return importlib.import_module("jinja2")
    except ImportError:
        raise MissingExtraError(
            'an .html report needs jinja2, which is not installed; pip install "jobchaos[html]", '
            "or write a .json or .xml report"
        ) from None


def write_html(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows from `to_dict` to a file.

    Raises:
        MissingExtraError: If jinja2 is not installed.
    """
    jinja2 = require_jinja()
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    source = resources.files("jobchaos.report").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    page = environment.from_string(source).render(rows=rows)
    path.write_text(page, encoding="utf-8")
