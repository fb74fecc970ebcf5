"""Options: command line, ini file and marker, merged into Settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jobchaos.core.settings import Settings

_NUMBERS = {
    "copies": "most copies of a job that may overlap",
    "preemptions": "most times a running copy is paused for another",
    "kills": "most kills in one schedule",
    "seed": "seed of everything random",
    "budget": "most schedules a family may run",
    "attempts": "executions of a copy before it counts as given up",
    "replays": "how often a failing schedule is run again before it is reported",
}
_LISTS = {
    "ignore": "tables and columns to leave out of comparisons, one a line",
    "allow": "paths that may be restored and hosts that may be reached, one a line",
}
_SUFFIXES = (".json", ".html", ".xml")


def add(parser: pytest.Parser) -> None:
    """Declare all options."""
    group = parser.getgroup("jobchaos", "idempotency of background jobs")
    group.addoption(
        "--jobchaos", action="store_true", dest="jobchaos", help="check jobs thoroughly (full profile), print a table"
    )
    group.addoption(
        "--jobchaos-replay",
        metavar="TOKEN",
        dest="jobchaos_replay",
        help='run one schedule only, as printed by a failure: "A3!kill A"',
    )
    group.addoption(
        "--jobchaos-report",
        metavar="FILE",
        dest="jobchaos_report",
        help=f"write all verdicts to FILE ({', '.join(_SUFFIXES)})",
    )
    group.addoption(
        "--jobchaos-init", action="store_true", dest="jobchaos_init", help="write a commented conftest.py and stop"
    )
    for name, text in _NUMBERS.items():
        parser.addini(f"jobchaos_{name}", f"{text} (a whole number)")
    for name, text in _LISTS.items():
        parser.addini(f"jobchaos_{name}", text, type="linelist")
    parser.addini("jobchaos_granularity", "where jobs are paused and killed: auto, effect or line")
    parser.addini("jobchaos_guard", "real seconds that an attempt may take to its next step")
    parser.addini("jobchaos_profile", "quick or full; --jobchaos means full")


def validate(config: pytest.Config) -> None:
    """Register the marker, and refuse bad options early.

    Raises:
        pytest.UsageError: For a bad token or report file.
    """
    config.addinivalue_line(
        "markers", "jobchaos(copies=2, kills=1, granularity='auto', ignore=[...], ...): how to check the jobs of a test"
    )
    token, path = config.getoption("jobchaos_replay"), config.getoption("jobchaos_report")
    if token:
        from jobchaos.core.schedule import Schedule
        from jobchaos.errors import TokenError

        try:
            Schedule.parse(token)
        except TokenError as error:
            raise pytest.UsageError(f"--jobchaos-replay: {error}") from None
    if path and os.path.splitext(path)[1] not in _SUFFIXES:
        raise pytest.UsageError(f"--jobchaos-report: {path!r} must end in one of {', '.join(_SUFFIXES)}")


def wants_summary(config: pytest.Config) -> bool:
    """True if the table is to be printed."""
    return bool(config.getoption("jobchaos") or config.getoption("jobchaos_replay"))


def settings_for(item: pytest.Item) -> Settings:
    """The settings for a test: profile, then ini, then markers from the outermost to the closest.

    Raises:
        UsageError: For an unknown or bad option, naming where it was written.
    """
    from jobchaos.core.settings import Settings
    from jobchaos.errors import UsageError

    config = item.config
    profile = "full" if config.getoption("jobchaos") else config.getini("jobchaos_profile") or "quick"
    settings = Settings().override({"profile": profile}, "jobchaos_profile").override(_ini(config), "the ini file")
    for marker in reversed(list(item.iter_markers("jobchaos"))):
        if marker.args:
            raise UsageError(f"@pytest.mark.jobchaos takes keyword arguments only, got {marker.args!r}")
        settings = settings.override(marker.kwargs, "@pytest.mark.jobchaos")
    return settings


def _ini(config: pytest.Config) -> dict[str, Any]:
    from jobchaos.errors import UsageError

    found: dict[str, Any] = {name: config.getini(f"jobchaos_{name}") for name in _LISTS}
    found["granularity"] = config.getini("jobchaos_granularity")
    for name in (*_NUMBERS, "guard"):
        text = config.getini(f"jobchaos_{name}")
        if text:
            try:
                found[name] = float(text) if name == "guard" else int(text)
            except ValueError:
                raise UsageError(f"jobchaos_{name} in the ini file must be a number, got {text!r}") from None
    return {name: value for name, value in found.items() if value not in ("", [])}
