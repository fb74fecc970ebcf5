"""`pytest --jobchaos-init`: writes a commented conftest.py into a project that has none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import jobchaos

_NAME = "conftest_template.py"


def template() -> str:
    """The text of the template: inside an installed package, or at the top of a source checkout."""
    package = Path(jobchaos.__file__).parent
    for folder in (package, package.parent.parent):
        if (folder / _NAME).is_file():
            return (folder / _NAME).read_text(encoding="utf-8")
    raise FileNotFoundError(f"{_NAME} is missing from the installation of jobchaos; reinstall it")


def write_conftest(folder: Path) -> int:
    """Write `conftest.py` into `folder`; return pytest's exit code. An existing one is never touched."""
    path = folder / "conftest.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        sys.stderr.write(
            f"jobchaos: {path} exists and is left as it is. Copy what you need from jobchaos' {_NAME} by hand.\n"
        )
        return pytest.ExitCode.USAGE_ERROR
    sys.stdout.write(f"jobchaos: wrote {path}\n")
    return pytest.ExitCode.OK
