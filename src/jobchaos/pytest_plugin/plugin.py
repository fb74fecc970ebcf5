"""Entry point of the pytest plugin: a switchboard. Every hook decides, and delegates.

Loading this module must stay cheap: pytest does it in every run of everybody who has jobchaos installed.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from jobchaos.pytest_plugin import clocks, options, rows, suite_options
from jobchaos.pytest_plugin.fixtures import (
    fake_clock,
    jobchaos,
    jobchaos_postgres,
    jobchaos_probes,
    jobchaos_redis,
    jobchaos_stores,
    run_concurrently,
    run_crashing,
    run_throttled,
    run_twice,
    run_with_retries,
    run_with_timeouts,
)

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = [
    "fake_clock",
    "jobchaos",
    "jobchaos_postgres",
    "jobchaos_probes",
    "jobchaos_redis",
    "jobchaos_stores",
    "run_concurrently",
    "run_crashing",
    "run_throttled",
    "run_twice",
    "run_with_retries",
    "run_with_timeouts",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command line and ini options."""
    options.add(parser)
    suite_options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse bad options before any test runs."""
    options.validate(config)
    rows.prepare(config)
    if suite_options.wanted(config):
        from jobchaos.pytest_plugin.suite import SuitePlugin

        config.pluginmanager.register(SuitePlugin(config), "jobchaos-suite")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Serve `--jobchaos-init` instead of running tests."""
    if not config.getoption("jobchaos_init"):
        return None
    from jobchaos.pytest_plugin.init_command import write_conftest

    return write_conftest(config.invocation_params.dir)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember which test is running: the fixtures have session scope, so that they can be used under `@given`."""
    rows.enter(item)
    try:
        return (yield)
    finally:
        clocks.end(item)
        rows.leave(item)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Remember the threads that a test's fixtures start."""
    with clocks.setting_up(request):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Show the test its fake clock: as the innermost of all plugins, so that these see real time."""
    with clocks.running(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the verdicts to the test's report, where they also travel through xdist."""
    report = yield
    rows.attach(item, call, report)
    return report


def pytest_terminal_summary(
    terminalreporter: TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """Print the table."""
    suite = config.pluginmanager.get_plugin("jobchaos-suite")
    told, summary = rows.collected(config), None if suite is None else suite.summary
    # After Ctrl-C in the first check, nothing is known of what would have been checked.
    if options.wants_summary(config) and (told or summary or exitstatus != pytest.ExitCode.INTERRUPTED):
        from jobchaos.pytest_plugin.terminal import print_summary

        print_summary(terminalreporter, told, rows.unfinished(config), summary)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report file; and let advice on the session as a whole gate, if it is wanted to."""
    if options.is_strict(session.config) and session.exitstatus == pytest.ExitCode.OK:
        from jobchaos.report.outliers import outliers

        if outliers(rows.collected(session.config)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    path = session.config.getoption("jobchaos_report")
    if path and not hasattr(session.config, "workerinput"):
        from jobchaos.report.files import write_report

        suite = session.config.pluginmanager.get_plugin("jobchaos-suite")
        told = [*rows.collected(session.config), *(() if suite is None else suite.rows())]
        try:
            write_report(session.config.invocation_params.dir / path, told)
        except OSError as error:
            sys.stderr.write(f"\n--jobchaos-report: cannot write {path!r}: {error}\n")
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
