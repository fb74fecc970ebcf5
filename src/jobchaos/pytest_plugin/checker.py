"""Checker: what a fixture hands out. Calls `check` with the running test's settings and stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from jobchaos.core.events import Event, Listener
from jobchaos.core.job import Job
from jobchaos.core.schedule import Schedule
from jobchaos.core.verdict import Verdict
from jobchaos.errors import InconclusiveError, JobChaosError, UsageError
from jobchaos.pytest_plugin import rows
from jobchaos.pytest_plugin.clocks import settings_at_present


class Checker:
    """Callable that checks one job and fails the test if it does not hold.

    Args:
        config: pytest's configuration.
        families: The families of faults to try.
        keywords: First the fixture's own name; then names of settings that it takes as keywords, instead of the job.
            `policy` (a `RetryPolicy`, or a list with one of each level) and `red_flag` are about the job's retries.
    """

    def __init__(self, config: pytest.Config, families: Sequence[str], keywords: Sequence[str]) -> None:
        self._config = config
        self._families = tuple(families)
        self._keywords = tuple(keywords)

    def __call__(self, job: Callable[..., Any] | Job | None = None, /, *args: Any, **kwargs: Any) -> Verdict:
        """Check `job(*args, **kwargs)`; or different jobs, if it is given several of type `Job`.

        Raises:
            JobChaosError: If it does not hold; `InconclusiveError` if nothing can be claimed. The text is the report.
            UsageError: If the job, its arguments, a store or an option is refused.
        """
        __tracebackhide__ = True
        try:
            item = rows.begin(self._config)
            if job is None:
                raise UsageError(
                    "no job was given, or None, as when it was called already: run_twice(send_invoice(42)). Pass the "
                    "function itself and its arguments apart: run_twice(send_invoice, 42)."
                )
            options = {name: kwargs.pop(name) for name in self._keywords[1:] if name in kwargs}
            declared = {name: options.pop(name) for name in _RETRYING if name in options}
            return self._check(item, [_retried(one, **declared) for one in _jobs(job, args, kwargs)], options)
        except UsageError as error:
            raise error.with_traceback(None)  # noqa: B904 - the mistake is in the test: nobody wants to read our code

    def __repr__(self) -> str:
        """The fixture's name, under which Hypothesis shows it among a test's arguments."""
        return self._keywords[0]

    def _check(self, item: pytest.Item, jobs: Sequence[Job], options: Mapping[str, Any]) -> Verdict:
        __tracebackhide__ = True
        from jobchaos.checking import check

        verdict = check(
            *jobs,
            stores=_listed(item, "jobchaos_stores"),
            probes=_listed(item, "jobchaos_probes"),
            faults=self._families,
            settings=settings_at_present(item).override(options, self._keywords[0]),
            schedule=self._config.getoption("jobchaos_replay"),
            listener=_progress(self._config),
            key=item.nodeid,
        )
        return self._told(verdict, item)

    def _told(self, verdict: Verdict, item: pytest.Item) -> Verdict:
        """Enter a verdict into the session's table; raise it unless it holds."""
        __tracebackhide__ = True
        from jobchaos.report.json_report import to_dict
        from jobchaos.report.text import render

        rows.add(self._config, to_dict(verdict, item.nodeid))
        if verdict:
            return verdict
        report = render(verdict, replay=lambda schedule: _replay_line(item, schedule))
        raise (JobChaosError if verdict.status == "fails" else InconclusiveError)(report, verdict)


class ThrottleChecker(Checker):
    """What `run_throttled` hands out."""

    def _check(self, item: pytest.Item, jobs: Sequence[Job], options: Mapping[str, Any]) -> Verdict:
        __tracebackhide__ = True
        from jobchaos.throttling import throttled

        missing = [name for name in ("calls", "per") if name not in options]
        if missing:
            raise UsageError(
                f"{self._keywords[0]} needs {' and '.join(f'{name}=' for name in missing)}: "
                "run_throttled(job, 42, calls=10, per=60) allows 10 calls in any 60 seconds"
            )
        verdict = throttled(
            *jobs,
            stores=_listed(item, "jobchaos_stores"),
            settings=settings_at_present(item),
            schedule=self._config.getoption("jobchaos_replay"),
            **options,
        )
        return self._told(verdict, item)


_RETRYING = ("policy", "red_flag")


def _retried(job: Job, policy: Any = (), red_flag: Any = None) -> Job:
    """The job, with what the test says about its retries; None says nothing."""
    policies = policy if isinstance(policy, list | tuple) else [policy]
    job = job.with_policy(*(one for one in policies if one is not None))
    return job if red_flag is None else job.with_red_flag(red_flag)


def _listed(item: pytest.Item, fixture: str) -> Sequence[Any]:
    value = item._request.getfixturevalue(fixture)  # type: ignore[attr-defined]  # noqa: SLF001 - the fixture may have any scope
    if not isinstance(value, list | tuple):
        kind = fixture.removeprefix("jobchaos_")
        raise UsageError(f"the fixture {fixture} must return a list of {kind}; it returned {value!r}")
    return value


def _jobs(job: Callable[..., Any] | Job, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Job]:
    """One job with its arguments; or different jobs, each a `Job`."""
    if isinstance(job, Job) and args and not kwargs:
        if all(isinstance(other, Job) for other in args):
            return [job, *args]
        bare = next((other for other in args if callable(other) and not isinstance(other, Job)), None)
        if bare is not None:
            name = getattr(bare, "__name__", "the_other")
            raise UsageError(
                f"{name} follows a Job; different jobs must all be of that type, to tell them from arguments: "
                f"run_concurrently(Job(...), Job({name}, ...))"
            )
    from jobchaos.adapted import job_of

    return [job_of(job, args, kwargs)]


def _replay_line(item: pytest.Item, schedule: Schedule) -> str:
    from jobchaos.report.replay import replay_command

    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    node = "::".join([path, *item.nodeid.split("::")[1:]])
    return replay_command(schedule, node)


def _progress(config: pytest.Config) -> Listener:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    # A plain bool in older versions of pytest 8, and later one that can also be called.
    if terminal is None or not _is_true(terminal.isatty) or hasattr(config, "workerinput"):
        return _silent
    from jobchaos.report.progress import Progress

    def write(text: str) -> None:
        if capture is None:
            terminal.write(text, flush=True)
            return
        with capture.global_and_fixture_disabled():
            terminal.write(text, flush=True)

    return Progress(write)


def _is_true(value: Any) -> bool:
    return bool(value() if callable(value) else value)


def _silent(_event: Event) -> None:
    """Show no progress: nobody is looking."""
