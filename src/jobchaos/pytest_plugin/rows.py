"""Rows: the verdicts of a session, one plain dict each, on their way from the tests to the summary."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest

Row = dict[str, Any]

_CURRENT = pytest.StashKey[list[pytest.Item]]()
_PENDING = pytest.StashKey[list[Row]]()
_COLLECTED = pytest.StashKey[list[Row]]()
_BEGUN = pytest.StashKey[int]()
_UNFINISHED = pytest.StashKey[int]()
_ATTRIBUTE, _WITHOUT = "jobchaos_rows", "jobchaos_without_verdict"


def prepare(config: pytest.Config) -> None:
    """Begin a session."""
    config.stash[_CURRENT] = []
    config.stash[_PENDING] = []
    config.stash[_COLLECTED] = []
    config.stash[_BEGUN] = config.stash[_UNFINISHED] = 0
    config.pluginmanager.register(_Collector(config), "jobchaos-rows")


def enter(item: pytest.Item) -> None:
    """A test begins."""
    item.config.stash[_CURRENT].append(item)


def leave(item: pytest.Item) -> None:
    """A test ends."""
    item.config.stash[_CURRENT].pop()


def begin(config: pytest.Config) -> pytest.Item:
    """A check begins, in the test that is returned.

    Raises:
        UsageError: If there is none, as in a session-scoped fixture's teardown.
    """
    items = config.stash[_CURRENT]
    if not items:
        from jobchaos.errors import UsageError

        raise UsageError("jobchaos' fixtures can only be called while a test runs; use jobchaos.check() elsewhere")
    config.stash[_BEGUN] += 1
    return items[-1]


def add(config: pytest.Config, row: Row) -> None:
    """A check of the running test has ended."""
    config.stash[_PENDING].append(row)


def attach(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Put the verdicts of a test onto its report, and the report of a failure in place of a traceback."""
    stash = item.config.stash
    pending = stash[_PENDING]
    setattr(report, _WITHOUT, stash[_BEGUN] - len(pending))
    stash[_BEGUN] = 0
    if pending:
        setattr(report, _ATTRIBUTE, list(pending))
        for row in pending:
            codes = " ".join(finding["code"] for finding in row["findings"])
            item.user_properties.append(("jobchaos", f"{row['job']}: {row['status']} {codes}".strip()))
        pending.clear()
    if call.excinfo is not None and sys.modules.get("jobchaos.errors") is not None:
        from jobchaos.errors import JobChaosError

        if isinstance(call.excinfo.value, JobChaosError) and report.failed:
            from jobchaos.pytest_plugin.terminal import FailureText

            report.longrepr = cast("Any", FailureText(call.excinfo))


def collected(config: pytest.Config) -> list[Row]:
    """All verdicts of the session, in the order of the tests' ids."""
    rows = config.stash[_COLLECTED]
    return sorted(rows, key=lambda row: str(row["nodeid"]))


def unfinished(config: pytest.Config) -> int:
    """How many checks of the session have ended without a verdict."""
    return config.stash[_UNFINISHED]


class _Collector:
    """Listens to reports; an object, because the hook is not told the configuration."""

    def __init__(self, config: pytest.Config) -> None:
        self._stash = config.stash

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._stash[_COLLECTED].extend(getattr(report, _ATTRIBUTE, ()))
        self._stash[_UNFINISHED] += getattr(report, _WITHOUT, 0)
