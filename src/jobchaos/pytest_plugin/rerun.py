"""Rerun: runs a test once more, faithfully and without a trace in the user's own results.

Problem: pytest runs each item once. To run it again by `runtestprotocol` reports it again, and tears down its class and
module, or leaves it set up.

Solution: the three phases by hand, with a copy of the item as the next one: so what is only the item's own is torn
down, and what it shares with its neighbours stays. Reports that are logged meanwhile (by subtests, say) end up here.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_MUTED = ("pytest_runtest_logreport", "pytest_warning_recorded", "pytest_exception_interact")


def rerun(item: pytest.Item, around_call: Callable[[Callable[[], None]], None]) -> str:
    """Run it once more.

    Args:
        item: The test.
        around_call: Is handed what runs the test's call phase, and must call it once.

    Returns:
        What the test says on one line, if any phase of it or any of its subtests fails; else nothing.
    """
    failures: list[str] = []
    with _muted(item.config, failures), _as_new(item):
        item.session._setupstate.teardown_exact(item)  # noqa: SLF001 - what another test has left for its own neighbours
        report = _phase(item, "setup", lambda: item.ihook.pytest_runtest_setup(item=item))
        failures += _failure(report)
        if report.passed:
            call = _phase(item, "call", lambda: around_call(lambda: item.ihook.pytest_runtest_call(item=item)))
            failures += ["skips itself"] if call.skipped else _failure(call)
        elif report.skipped:
            failures.append("skips itself")
        sibling = copy.copy(item)
        teardown = lambda: item.ihook.pytest_runtest_teardown(item=item, nextitem=sibling)  # noqa: E731
        failures += _failure(_phase(item, "teardown", teardown))
    return next(iter(failures), "")


def _phase(item: pytest.Item, when: Any, act: Callable[[], object]) -> pytest.TestReport:
    # Not by `call_and_report`, which would open a debugger for a failure under --pdb.
    call = pytest.CallInfo.from_call(act, when, reraise=(pytest.exit.Exception, KeyboardInterrupt))
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return report


def _failure(report: pytest.TestReport) -> list[str]:
    if not report.failed:
        return []
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr if crash is None else crash.message)
    first = next(iter(text.strip().splitlines()), "fails")
    return [first if report.when == "call" else f"{first} (in {report.when})"]


@contextlib.contextmanager
def _as_new(item: Any) -> Iterator[None]:
    """Take from an item what an earlier run has left, and what this one is going to leave."""
    kept = {"_report_sections": list(item._report_sections), "user_properties": list(item.user_properties)}  # noqa: SLF001
    attempts = item.__dict__.pop("execution_count", None)  # pytest-rerunfailures keeps its hands off without
    item.__dict__.pop("_excinfo", None)
    if isinstance(item.parent, pytest.Class):  # a test function's object may have been wrapped by other plugins
        item.__dict__.pop("_instance", None)
        item._obj = None  # noqa: SLF001 - the bound method of the old instance
    if getattr(item, "_request", True) is False:
        item._initrequest()  # noqa: SLF001 - as `runtestprotocol` does for an item that is run again
    try:
        yield
    finally:
        if hasattr(item, "_request"):
            item._request, item.funcargs = False, None  # noqa: SLF001 - likewise
        item._report_sections[:] = kept["_report_sections"]  # noqa: SLF001
        item.user_properties[:] = kept["user_properties"]
        if attempts is not None:
            item.execution_count = attempts


@contextlib.contextmanager
def _muted(config: pytest.Config, failures: list[str]) -> Iterator[None]:
    """Nobody is told of this run: not the terminal, not JUnit, not a debugger; not even of subtests."""
    callers = [getattr(config.hook, name) for name in _MUTED]
    kept = [list(caller._hookimpls) for caller in callers]  # noqa: SLF001 - pluggy cannot do without some plugins
    for caller in callers:
        caller._hookimpls.clear()  # noqa: SLF001
    listener = _Listener(failures)
    config.pluginmanager.register(listener)
    try:
        yield
    finally:
        config.pluginmanager.unregister(listener)
        for caller, implementations in zip(callers, kept, strict=True):
            caller._hookimpls[:] = implementations  # noqa: SLF001


class _Listener:
    def __init__(self, failures: list[str]) -> None:
        self._failures = failures

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failures += _failure(report)
