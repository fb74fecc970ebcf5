"""SuiteSession: one session of an unchanged suite that executes tasks: both passes over it."""

from __future__ import annotations

import contextlib
import inspect
import os
import unittest
from collections.abc import Callable, Iterable, Iterator

import pytest

from jobchaos.core.ignore import Ignore
from jobchaos.core.schedule import Schedule
from jobchaos.pytest_plugin import suite_options
from jobchaos.pytest_plugin.rerun import rerun
from jobchaos.suite.director import Director, Mission
from jobchaos.suite.idempotent import Idempotent
from jobchaos.suite.planning import Assignment, Candidate, plan
from jobchaos.suite.reasons import Reasons
from jobchaos.suite.replays import Replays, Take
from jobchaos.suite.seen import Recording, Target
from jobchaos.suite.summary import Summary
from jobchaos.suite.watching import Watcher


class SuiteSession:
    """Made when the first job system is there.

    Args:
        config: pytest's configuration.
        summary: Where it is entered what comes of it.
    """

    def __init__(self, config: pytest.Config, summary: Summary) -> None:
        self._summary = summary
        self._config = config
        self._director = Director(Idempotent(config.getini("jobchaos_idempotent")))
        self._watcher = Watcher(self._director, suite_options.named(config))
        self._reasons = Reasons()
        self._seen: dict[str, Recording] = {}
        self._items: dict[str, pytest.Item] = {}
        self._passed: dict[str, bool] = {}
        self._seconds: dict[str, float] = {}
        self._last: pytest.Item | None = None
        self._learned: dict[object, frozenset[str]] = {}  # functions, with the tests that came before

    # --- the first pass ----------------------------------------------------------------------------------------------

    def enter(self, item: pytest.Item, *, is_watched: bool) -> None:
        """A test begins."""
        if is_watched:
            self._watcher.refresh()
            self._reasons.refresh(tuple(self._watcher.systems))
        else:
            self._watcher.close()
        self._last = item
        self._passed[_name(item)] = True
        self._seconds[_name(item)] = 0.0

    @contextlib.contextmanager
    def calling(self, item: pytest.Item) -> Iterator[None]:
        """A test function is called. In the second pass that is taken care of elsewhere."""
        if self._director.busy:
            yield
            return
        recording = self._director.begin()
        try:
            with _before_tear_down(self._reasons.look):
                yield
        finally:
            recording.remarks |= self._reasons.take()
            self._director.end()
            for function in self._watcher.learned:
                self._learned.setdefault(function, frozenset(self._seen))
            self._seen[_name(item)] = recording
            self._items[_name(item)] = item

    def hear(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """A phase of a test has ended. In later runs of it, this is of no interest."""
        if not self._summary.replaying and _name(item) in self._passed:
            self._passed[_name(item)] &= report.passed and not hasattr(report, "wasxfail")
            self._seconds[_name(item)] += report.duration

    def look_again(self) -> None:
        """Run tests again that may have called functions of which only later ones have shown that they are tasks."""
        self._watcher.refresh()
        with self._replaying():
            for nodeid, seen in list(self._seen.items()):
                functions = [function for function, before in self._learned.items() if nodeid in before]
                if _is_in_reach(self._items[nodeid], functions) and not self._why_not(nodeid, seen):
                    recording = self._rerun(nodeid, None, None).recording
                    self._seen[nodeid] = recording if recording.executions else self._seen[nodeid]

    def count(self) -> None:
        """The first pass is over."""
        self._watcher.refresh()
        self._summary.systems = tuple(self._watcher.systems)
        self._summary.unknown.update(self._watcher.unknown)
        self._summary.count(self._seen)

    def close(self) -> None:
        """Stop watching."""
        self._reasons.close()
        self._watcher.close()

    # --- the second pass ---------------------------------------------------------------------------------------------

    def replay(self, session: pytest.Session) -> None:
        """Run some tests again; then tear down what was kept for them."""
        if session.shouldfail or session.shouldstop:  # of a worker of xdist
            self._summary.stopped = str(session.shouldfail or session.shouldstop)
            return
        try:
            with self._replaying():
                assignments = self._assignments()
                ignore = Ignore.parse(tuple(self._config.getini("jobchaos_ignore")))
                replays = Replays(self._rerun, ignore, suite_options.budget(self._config))
                self._summary.take(replays.run(assignments, self._seen))
        finally:
            _tear_down(session, self._last)

    @contextlib.contextmanager
    def _replaying(self) -> Iterator[None]:
        self._summary.replaying = True
        try:
            yield
        finally:
            self._summary.replaying = False

    def _assignments(self) -> list[Assignment]:
        candidates = []
        for nodeid, recording in self._seen.items():
            if not recording.executions:
                continue
            why = self._why_not(nodeid, recording)
            if why:
                self._summary.refused[nodeid] = why
                continue
            alone = len(recording.executions) == 1
            candidates += [Candidate(nodeid, seen, self._seconds[nodeid], alone) for seen in recording.executions]
        assignments = plan(candidates, self._config.getoption("jobchaos_only") or "")
        token = self._config.getoption("jobchaos_replay")
        if token:
            only = (Schedule.parse(token),)
            assignments = [Assignment(one.nodeid, one.target, only, one.seconds) for one in assignments[:1]]
        return assignments

    def _why_not(self, nodeid: str, recording: Recording) -> str:
        item = self._items[nodeid]
        if not self._passed[nodeid]:
            return "it does not pass without any fault"
        if recording.hosts:
            hosts = ", ".join(sorted(recording.hosts))
            return f"its tasks reach {hosts}, and every run would reach it again"
        if "foreign_broker" in recording.remarks:
            return "its messages go to a broker on another machine, and every run would send them again"
        if not isinstance(item, pytest.Function):
            return "it is no test function"
        if getattr(item.obj, "is_hypothesis_test", False):
            return "Hypothesis draws other values in each run"
        return ""

    def _rerun(self, nodeid: str, mission: Mission | None, look_at: frozenset[Target] | None) -> Take:
        recordings: list[Recording] = []

        def around_call(call: Callable[[], None]) -> None:
            recordings.append(self._director.begin(mission, look_at))
            try:
                with _before_tear_down(self._director.look):
                    call()
            finally:
                self._director.end()

        failure = rerun(self._items[nodeid], around_call)
        return Take(recordings[0] if recordings else Recording(), failure)

    @property
    def has_seen_tasks(self) -> bool:
        """True if there may be something to run again."""
        return bool(self._learned) or any(recording.executions for recording in self._seen.values())


def _is_in_reach(item: pytest.Item, functions: Iterable[object]) -> bool:
    """True if a test's module has one of the functions, or anything of the module of one, by name."""
    homes = {getattr(function, "__module__", None) for function in functions}
    module = item.getparent(pytest.Module)
    names = {} if module is None or not homes else vars(module.obj)
    return any(_home_of(thing) in homes for thing in names.values())


def _home_of(thing: object) -> object:
    """The name of the module that something is from, or that it is."""
    with contextlib.suppress(Exception):  # a lazy object may raise what it likes
        return getattr(thing, "__name__" if inspect.ismodule(thing) else "__module__", None)
    return None


def _name(item: pytest.Item) -> str:
    """The test's id, from the directory that pytest was called in: what the user can give to pytest again."""
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    return "::".join([path, *item.nodeid.split("::")[1:]])


def _tear_down(session: pytest.Session, last: pytest.Item | None) -> None:
    """What was kept; an error in it is one of the last test's teardown, as it would have been without us."""
    if last is None:
        return
    tear_down = lambda: session._setupstate.teardown_exact(None)  # noqa: E731, SLF001
    call = pytest.CallInfo.from_call(tear_down, "teardown", reraise=(pytest.exit.Exception, KeyboardInterrupt))
    if call.excinfo is not None:
        report = last.ihook.pytest_runtest_makereport(item=last, call=call)
        last.ihook.pytest_runtest_logreport(report=report)


@contextlib.contextmanager
def _before_tear_down(look: Callable[[], None]) -> Iterator[None]:
    """Look when a test function has ended: for a `TestCase`, before its `tearDown`, which is part of pytest's call."""
    genuine = unittest.TestCase._callTestMethod  # type: ignore[attr-defined]  # noqa: SLF001
    looked: list[bool] = []

    def call_test_method(case: unittest.TestCase, method: Callable[[], object]) -> None:
        try:
            genuine(case, method)
        finally:
            looked.append(True)
            look()

    unittest.TestCase._callTestMethod = call_test_method  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        yield
    finally:
        unittest.TestCase._callTestMethod = genuine  # type: ignore[attr-defined]  # noqa: SLF001
        if not looked:
            look()
