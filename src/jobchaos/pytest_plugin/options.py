"""Options: command line, ini file and marker, merged into Settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jobchaos.core.settings import Settings

_NUMBERS = {
    "most_effects": "effects of a job beyond which there is advice to split it",
    "most_rounds": "objects that one line of a job may change beyond which there is advice to split it",
    "copies": "most copies of a job that may overlap",
    "preemptions": "most times a running copy is paused for another",
    "kills": "most kills while copies overlap",
    "seed": "seed of everything random",
    "attempts": "executions of a copy before it counts as given up",
    "replays": "how often a failing schedule is run again before it is reported",
}
_REALS = {
    "most_seconds": "virtual seconds of a clean run beyond which there is advice to split the job",
    "transaction_seconds": "virtual seconds that a transaction may be open without advice",
    "within": "virtual seconds that an attempt may take, however its calls hang",
    "guard": "real seconds that an attempt may take to its next step",
    "horizon": "virtual seconds that a redelivery, or a paused worker, may be late",
    "visibility_timeout": "virtual seconds after which the queue delivers again what is still being worked on",
    "skew": "virtual seconds by which the wall clock of a worker's machine may be wrong",
    "audit": "share of the schedules that need not be run that is run all the same, from 0 to 1",
}
_SWITCHES = {
    "follow": "whether jobs that a job enqueues are run, too",
    "strict": "whether advice (JC7xx) fails a test, too",
    "torn_writes": "whether a kill leaves only a part of what was not synced",
}
_LISTS = {
    "ignore": "tables and columns to leave out of comparisons, one a line",
    "allow": "paths that may be restored and hosts that may be reached, one a line",
}


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
        help="write all verdicts to FILE (.json, .html, .xml)",
    )
    group.addoption(
        "--jobchaos-strict", action="store_true", dest="jobchaos_strict", help="let advice (JC7xx) fail a test, too"
    )
    group.addoption(
        "--jobchaos-init", action="store_true", dest="jobchaos_init", help="write a commented conftest.py and stop"
    )
    for name, text in _NUMBERS.items():
        parser.addini(f"jobchaos_{name}", f"{text} (a whole number)")
    for name, text in _REALS.items():
        parser.addini(f"jobchaos_{name}", text)
    for name, text in _LISTS.items():
        parser.addini(f"jobchaos_{name}", text, type="linelist")
    for name, text in _SWITCHES.items():
        parser.addini(f"jobchaos_{name}", text, type="bool")
    parser.addini("jobchaos_budget", "what a family may spend: 2000 (schedules), 30s (of real time) or both: 2000, 30s")
    parser.addini("jobchaos_granularity", "where jobs are paused and killed: auto, effect, line or await")
    parser.addini("jobchaos_isolation", "what attempts run in: auto, process or thread")
    parser.addini("jobchaos_delivery", "what a kill does to the message: auto, at-least-once or at-most-once")
    parser.addini("jobchaos_profile", "quick or full; --jobchaos means full")


def validate(config: pytest.Config) -> None:
    """Register the marker, and refuse bad options early.

    Raises:
        pytest.UsageError: For a bad token, report file or switch.
    """
    config.addinivalue_line(
        "markers", "jobchaos(copies=2, kills=1, granularity='auto', ignore=[...], ...): how to check the jobs of a test"
    )
    token, path = config.getoption("jobchaos_replay"), config.getoption("jobchaos_report")
    for name in _SWITCHES:
        try:
            config.getini(f"jobchaos_{name}")
        except (ValueError, pytest.UsageError) as error:
            raise pytest.UsageError(f"jobchaos_{name} in the ini file must be true or false: {error}") from None
    if token is not None:
        from jobchaos.core.schedule import Schedule
        from jobchaos.errors import TokenError

        try:
            Schedule.parse(token)
        except TokenError as error:
            raise pytest.UsageError(f"--jobchaos-replay: {error}") from None
    if path:
        from jobchaos.errors import UsageError
        from jobchaos.report.files import require_writer

        try:
            require_writer(path)
        except UsageError as error:
            raise pytest.UsageError(f"--jobchaos-report: {error}") from None


def wants_summary(config: pytest.Config) -> bool:
    """True if the table is to be printed."""
    return any(map(config.getoption, ("jobchaos", "jobchaos_only", "jobchaos_replay")))


def is_strict(config: pytest.Config) -> bool:
    """True if advice on the session as a whole gates, too."""
    return bool(config.getoption("jobchaos_strict") or config.getini("jobchaos_strict"))


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
    return settings.override({"strict": True}, "--jobchaos-strict") if config.getoption("jobchaos_strict") else settings


def _ini(config: pytest.Config) -> dict[str, Any]:
    from jobchaos.errors import UsageError

    found: dict[str, Any] = {name: config.getini(f"jobchaos_{name}") for name in _LISTS}
    for name in ("budget", "granularity", "isolation", "delivery"):
        found[name] = config.getini(f"jobchaos_{name}")
    for name in _SWITCHES:
        found[name] = config.getini(f"jobchaos_{name}") or ""
    for name in (*_NUMBERS, *_REALS):
        text = config.getini(f"jobchaos_{name}")
        if text:
            try:
                found[name] = float(text) if name in _REALS else int(text)
            except ValueError:
                raise UsageError(f"jobchaos_{name} in the ini file must be a number, got {text!r}") from None
    return {name: value for name, value in found.items() if value not in ("", [])}
