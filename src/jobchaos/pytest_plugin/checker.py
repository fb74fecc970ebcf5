"""Checker: what a fixture hands out. Calls `check` with the running test's settings and stores."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jobchaos.core.events import Event, Listener
from jobchaos.core.job import Job
from jobchaos.core.schedule import Schedule
from jobchaos.core.verdict import Verdict
from jobchaos.errors import InconclusiveError, JobChaosError
from jobchaos.pytest_plugin import rows
from jobchaos.pytest_plugin.options import settings_for


class Checker:
    """Callable that checks one job and fails the test if it does not hold.

    Args:
        config: pytest's configuration.
        families: The families of faults to try.
    """

    def __init__(self, config: pytest.Config, families: Sequence[str]) -> None:
        self._config = config
        self._families = tuple(families)

    def __call__(self, job: Callable[..., Any] | Job, /, *args: Any, **kwargs: Any) -> Verdict:
        """Check `job(*args, **kwargs)`.

        Raises:
            JobChaosError: If it does not hold; `InconclusiveError` if nothing can be claimed. The text is the report.
            UsageError: If the job, its arguments, a store or an option is refused.
        """
        __tracebackhide__ = True
        from jobchaos.check import check
        from jobchaos.report.json_report import to_dict
        from jobchaos.report.text import render

        item = rows.current(self._config)
        verdict = check(
            Job.of(job, args, kwargs),
            stores=item._request.getfixturevalue("jobchaos_stores"),  # type: ignore[attr-defined]  # noqa: SLF001 - the fixture may have any scope
            faults=self._families,
            settings=settings_for(item),
            schedule=self._config.getoption("jobchaos_replay"),
            listener=_progress(self._config),
            key=item.nodeid,
        )
        rows.add(self._config, to_dict(verdict, item.nodeid))
        if verdict:
            return verdict
        report = render(verdict, replay=lambda schedule: _replay_line(item, schedule))
        raise (JobChaosError if verdict.status == "fails" else InconclusiveError)(report, verdict)


def _replay_line(item: pytest.Item, schedule: Schedule) -> str:
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    node = "::".join([path, *item.nodeid.split("::")[1:]])
    return f'pytest --jobchaos-replay "{schedule}" {shlex.quote(node)}'


def _progress(config: pytest.Config) -> Listener:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if terminal is None or not terminal.isatty or hasattr(config, "workerinput"):
        return _silent
    from jobchaos.report.progress import Progress

    def write(text: str) -> None:
        if capture is None:
            terminal.write(text, flush=True)
            return
        with capture.global_and_fixture_disabled():
            terminal.write(text, flush=True)

    return Progress(write)


def _silent(_event: Event) -> None:
    """Show no progress: nobody is looking."""
