"""Suite: zero-change mode. While the suite runs, it is watched; then some of its tests are run again, with faults.

A suite that uses no job system pays nothing: what is needed for one is imported when one is there.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from jobchaos.suite.systems import is_any_present

if TYPE_CHECKING:
    from jobchaos.pytest_plugin.suite_session import SuiteSession
    from jobchaos.suite.summary import Summary

_FIXTURES = frozenset(
    {"run_twice", "run_concurrently", "run_crashing", "run_with_retries", "run_with_timeouts", "jobchaos", "fake_clock"}
)
_OUTPUT = "jobchaos_suite"


class SuitePlugin:
    """Registered for `--jobchaos` and `--jobchaos-only`.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.summary: Summary | None = None
        """What has come of it; None if no job system is in use."""
        self._config = config
        self._session: SuiteSession | None = None
        self._modules = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Watch all tests; then run some again, before the session's fixtures are torn down."""
        if session.config.pluginmanager.hasplugin("dsession") or session.config.option.collectonly:
            return (yield)
        try:
            try:
                with self._fixtures_kept(session):
                    result = yield
                if self._session is not None and not (session.shouldfail or session.shouldstop):
                    self._session.look_again()
            finally:
                if self._session is not None:
                    self._session.count()
            if self._session is not None:
                self._session.replay(session)
        except session.Failed as error:  # by -x and --maxfail
            if self.summary is not None:
                self.summary.stopped = str(error)
            raise
        finally:
            if self._session is not None:
                self._session.close()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Watch a test. One that asks for a check itself is left to that."""
        if self._session is None and self._is_needed():
            from jobchaos.pytest_plugin.suite_session import SuiteSession

            self._session = SuiteSession(self._config, self._summarised())
        if self._session is not None:
            self._session.enter(item, is_watched=not _uses_fixtures(item))
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Write down which tasks a test executes."""
        if self._session is None or _uses_fixtures(item):
            return (yield)
        with self._session.calling(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Remember how a test ended."""
        report = yield
        if self._session is not None:
            self._session.hear(item, report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session if there is something to mend; under xdist, tell the controller."""
        if self.summary is None:
            return
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = self.summary.plain()
        elif self.summary.gates and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Under xdist: a worker has ended."""
        plain = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if plain is not None:
            self._summarised().add(plain)

    def rows(self) -> list[dict[str, Any]]:
        """What report files are to say of it."""
        if self.summary is None:
            return []
        from jobchaos.suite.rows import rows_of

        return rows_of(self.summary)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _is_needed(self) -> bool:
        """True if a job system is there. Costs next to nothing if no module was imported since the last time."""
        if len(sys.modules) == self._modules:
            return False
        self._modules = len(sys.modules)
        return is_any_present()

    def _summarised(self) -> Summary:
        if self.summary is None:
            from jobchaos.suite.summary import Summary

            self.summary = Summary()
        return self.summary

    @contextlib.contextmanager
    def _fixtures_kept(self, session: pytest.Session) -> Iterator[None]:
        """After the last test, keep what the session has set up, such as a database that takes long to make."""
        state = session._setupstate  # noqa: SLF001 - pytest knows no later moment
        genuine = state.teardown_exact

        def teardown_exact(nextitem: pytest.Item | None) -> None:
            keep = nextitem is None and self._session is not None and self._session.has_seen_tasks
            genuine(_AnyTest(session) if keep else nextitem)  # type: ignore[arg-type]

        state.teardown_exact = teardown_exact  # type: ignore[method-assign]
        try:
            yield
        finally:
            del state.teardown_exact


class _AnyTest:
    """Stands for a next test of which nothing is known but that there is one."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        return [self._session]


def _uses_fixtures(item: pytest.Item) -> bool:
    return not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
