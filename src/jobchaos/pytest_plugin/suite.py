"""Suite: zero-change mode. While the suite runs, it is watched; then some of its tests are run again, with faults."""

from __future__ import annotations

import contextlib
import os
import unittest
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from jobchaos.core.ignore import Ignore
from jobchaos.core.schedule import Schedule
from jobchaos.pytest_plugin.rerun import rerun
from jobchaos.pytest_plugin.suite_options import budget
from jobchaos.suite.director import Director, Mission
from jobchaos.suite.idempotent import Idempotent
from jobchaos.suite.planning import Assignment, Candidate, plan
from jobchaos.suite.reasons import Reasons
from jobchaos.suite.replays import Replays, Take
from jobchaos.suite.seen import Recording, Target
from jobchaos.suite.summary import Summary
from jobchaos.suite.watching import Watcher

_FIXTURES = frozenset({"run_twice", "run_concurrently", "run_crashing", "run_with_retries", "jobchaos"})
_MORE = frozenset({"run_with_timeouts", "fake_clock"})
_OUTPUT = "jobchaos_suite"


class SuitePlugin:
    """Registered for `--jobchaos` and `--jobchaos-only`.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.summary = Summary()
        self._config = config
        self._director = Director(Idempotent(config.getini("jobchaos_idempotent")))
        self._watcher = Watcher(self._director)
        self._reasons = Reasons()
        self._seen: dict[str, Recording] = {}
        self._items: dict[str, pytest.Item] = {}
        self._passed: dict[str, bool] = {}
        self._seconds: dict[str, float] = {}
        self._last: pytest.Item | None = None

    # --- the first pass ----------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Watch all tests; then run some again, before the session's fixtures are torn down."""
        if session.config.pluginmanager.hasplugin("dsession") or session.config.option.collectonly:
            return (yield)
        with contextlib.ExitStack() as undo:
            undo.callback(self._watcher.close)
            undo.callback(self._reasons.close)
            try:
                with self._session_kept(session):
                    result = yield
            except session.Failed as error:  # by -x and --maxfail
                self._count()
                self.summary.stopped = str(error)
                raise
            self._count()
            self._replay(session)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Remember a test. One that asks for a check itself is left to that."""
        if _uses_fixtures(item):
            self._watcher.close()
        else:
            self._watcher.refresh()
            self._reasons.refresh(tuple(self._watcher.systems))
        self._last = item
        self._passed[_name(item)] = True
        self._seconds[_name(item)] = 0.0
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Write down which tasks a test executes."""
        if self._director.busy or not self._watcher.systems or _uses_fixtures(item):
            return (yield)
        recording = self._director.begin()
        try:
            return (yield)
        finally:
            recording.remarks |= self._reasons.take()
            self._director.end()
            self._seen[_name(item)] = recording
            self._items[_name(item)] = item

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Remember how a test ended. In later runs of it, this is of no interest."""
        report = yield
        if not self.summary.replaying:
            self._passed[_name(item)] &= report.passed and not hasattr(report, "wasxfail")
            self._seconds[_name(item)] += report.duration
        return report

    # --- the second pass ---------------------------------------------------------------------------------------------

    def _count(self) -> None:
        self._watcher.refresh()
        self.summary.systems = tuple(self._watcher.systems)
        self.summary.count(self._seen)

    def _replay(self, session: pytest.Session) -> None:
        if session.shouldfail or session.shouldstop:  # of a worker of xdist
            self.summary.stopped = str(session.shouldfail or session.shouldstop)
            return
        self.summary.replaying = True
        try:
            assignments = self._assignments()
            replays = Replays(
                self._rerun, Ignore.parse(tuple(self._config.getini("jobchaos_ignore"))), budget(self._config)
            )
            self.summary.take(replays.run(assignments, self._seen))
        finally:
            self.summary.replaying = False
            _tear_down(session, self._last)

    def _assignments(self) -> list[Assignment]:
        candidates = []
        for nodeid, recording in self._seen.items():
            if not recording.executions:
                continue
            why = self._why_not(nodeid, recording)
            if why:
                self.summary.refused[nodeid] = why
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

    def _rerun(self, nodeid: str, mission: Mission | None, look_at: frozenset[Target]) -> Take:
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

    @contextlib.contextmanager
    def _session_kept(self, session: pytest.Session) -> Iterator[None]:
        """After the last test, keep what the session has set up, such as a database that takes long to make."""
        state = session._setupstate  # noqa: SLF001 - pytest knows no later moment
        genuine = state.teardown_exact

        def teardown_exact(nextitem: pytest.Item | None) -> None:
            genuine(_AnyTest(session) if nextitem is None and self._has_seen_tasks else nextitem)  # type: ignore[arg-type]

        state.teardown_exact = teardown_exact  # type: ignore[method-assign]
        try:
            yield
        finally:
            del state.teardown_exact

    @property
    def _has_seen_tasks(self) -> bool:
        return any(recording.executions for recording in self._seen.values())

    # --- the report --------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session if there is something to mend; under xdist, tell the controller."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = self.summary.plain()
        elif self.summary.gates and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Under xdist: a worker has ended."""
        self.summary.add(getattr(node, "workeroutput", {}).get(_OUTPUT))


class _AnyTest:
    """Stands for a next test of which nothing is known but that there is one."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        return [self._session]


def _name(item: pytest.Item) -> str:
    """The test's id, from the directory that pytest was called in: what the user can give to pytest again."""
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    return "::".join([path, *item.nodeid.split("::")[1:]])


def _uses_fixtures(item: pytest.Item) -> bool:
    return not (_FIXTURES | _MORE).isdisjoint(getattr(item, "fixturenames", ()))


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
