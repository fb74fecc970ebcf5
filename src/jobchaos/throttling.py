"""throttled(): do calls to an external service stay under its rate, whatever burst of jobs there is?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.adapted import job_of
from jobchaos.clock.freeze import wall_seconds
from jobchaos.conditions import start_time
from jobchaos.core.delays import Seconds, told
from jobchaos.core.finding import Finding
from jobchaos.core.job import Job
from jobchaos.core.ports import Store
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.throttle import Throttle
from jobchaos.core.verdict import FamilyResult, Verdict
from jobchaos.engine.runner import Runner
from jobchaos.errors import UsageError
from jobchaos.explore.bursts import bursts, letters, spread
from jobchaos.explore.minimise import minimise
from jobchaos.oracle import wording
from jobchaos.workbench import Workbench

_MOST_JOBS = 26
_SHOWN = 12


def throttled(
    *jobs: Job | Callable[..., Any],
    calls: int,
    per: Seconds,
    to: str = "",
    stores: Sequence[Store] | None = None,
    settings: Settings | None = None,
    schedule: Schedule | str | None = None,
) -> Verdict:
    """Check that calls to an external service stay under a rate, in every window of virtual time.

    Many copies of the job come at once, at the edges of windows, with workers that die and calls that fail. All sleep
    at the same time. In the end all work must be done that is done when they come far apart.

    Args:
        *jobs: One job, of which there are many copies; or up to 26 different ones, each delivered once.
        calls: How many calls are allowed.
        per: In how many seconds.
        to: A part of the text of the calls that count; if it is empty, HTTP requests for each host, and mails.
        stores: State that is not found by itself.
        settings: How thorough to be; None is the full profile.
        schedule: Run just this one.

    Raises:
        UsageError: If the job makes no such call, or an argument is refused.
    """
    if not 1 <= len(jobs) <= _MOST_JOBS:
        raise UsageError(f"throttled() takes one job, or up to {_MOST_JOBS} different ones, got {len(jobs)}")
    given = [job_of(job, (), {}) for job in jobs]
    only = Schedule.parse(schedule) if isinstance(schedule, str) else schedule
    return _Throttling(given, Throttle(calls=calls, per=per, to=to), stores or (), settings or Settings()).run(only)


@dataclass(slots=True)
class _Trial:
    """One burst, run and judged.

    Attributes:
        run: What came of it.
        code: What is wrong; empty if nothing is.
        message: The same in words.
        detail: When the calls were made.
    """

    run: RunResult
    code: str = ""
    message: str = ""
    detail: str = ""


class _Throttling:
    """One check of a throttle."""

    def __init__(self, jobs: Sequence[Job], throttle: Throttle, stores: Sequence[Store], settings: Settings) -> None:
        self._jobs = jobs
        self._label = jobs[0].label if len(jobs) == 1 else f"{jobs[0].label} and {len(jobs) - 1} more"
        self._throttle = throttle
        self._spread: dict[str, RunResult] = {}
        self._bench = Workbench(jobs, stores, settings)
        self._start = start_time(settings)

    def run(self, only: Schedule | None) -> Verdict:
        began = wall_seconds()
        with self._bench.opened():
            runner = self._bench.crowd_runner()
            clean = runner.run(Schedule.parse("A"))
            first, last, copies = self._calls(clean)
            findings = self._unfit(self._apart(runner, copies))
            plan = [only] if only is not None else self._plan(copies, first, last)
            trials = [] if findings else [self._judged(runner, schedule) for schedule in plan]
            findings += self._findings(runner, trials, shrink=only is None)
            runner.run(Schedule.parse("A"))  # whatever follows in the test finds the state that one delivery leaves
        return self._verdict(findings, trials, len(plan), len(copies), wall_seconds() - began)

    def _calls(self, clean: RunResult) -> tuple[int, int, str]:
        """Where the first and the last call are that count, among a clean run's effects; and the copies of a burst."""
        effects = clean.trace.effects()
        places = [place for place, effect in enumerate(effects) if self._throttle.target(effect)]
        if not places:
            raise UsageError(
                f"{self._label} makes no request and sends no mail that counts, so there is nothing to throttle. Name "
                "its calls by a part of their text: to='INSERT INTO outbox'. Its effects: "
                f"{', '.join(effect.label for effect in effects[:_SHOWN]) or 'none'}"
            )
        needed = -(-(self._throttle.calls + 2) // len(places))
        copies = letters(max(2, needed) if len(self._jobs) == 1 else len(self._jobs))
        return places[0], places[min(len(places), self._throttle.calls) - 1], copies

    def _plan(self, copies: str, first: int, last: int) -> list[Schedule]:
        window = self._throttle.window
        return bursts(copies, first, last, window, -self._start % window)

    def _unfit(self, expected: RunResult) -> list[Finding]:
        failed = [copy.error for copy in expected.copies.values() if not copy.completed]
        if not failed:
            return []
        return [Finding("JC903", f"{self._label} fails without any burst: {failed[0]}", trace=expected.trace)]

    def _apart(self, runner: Runner, copies: str) -> RunResult:
        """A run of some copies that come so far apart that none has to wait."""
        if copies not in self._spread:
            self._spread[copies] = runner.run(spread(copies, self._throttle.window))
        return self._spread[copies]

    def _judged(self, runner: Runner, schedule: Schedule) -> _Trial:
        throttle = self._throttle
        run = runner.run(schedule)
        for target, moments in throttle.made(run.trace).items():
            crowd = throttle.crowd(moments)
            if len(crowd) > throttle.calls:
                span = told(crowd[-1] - crowd[0])
                text = f"makes {len(crowd)} calls to {target} within {span}; allowed are {throttle}"
                return _Trial(run, "JC530", text, _axis(moments))
        undone = [letter for letter, copy in run.copies.items() if not copy.completed]
        if undone:
            error = run.copies[undone[0]].error
            return _Trial(run, "JC531", f"never completes in {len(undone)} of {len(run.copies)} copies ({error})")
        made = len(throttle.applied(run.trace))
        wanted = len(throttle.applied(self._apart(runner, "".join(schedule.copies)).trace))
        if made < wanted and not schedule.fails and not schedule.kills:
            text = f"makes {made} calls, where the same copies make {wanted} if they come apart; yet each completes"
            return _Trial(run, "JC531", text)
        return _Trial(run)

    def _findings(self, runner: Runner, trials: Sequence[_Trial], *, shrink: bool) -> list[Finding]:
        findings: list[Finding] = []
        for code in dict.fromkeys(trial.code for trial in trials if trial.code):
            alike = [trial for trial in trials if trial.code == code]
            trial = min(alike, key=lambda trial: trial.run.schedule.simplicity)
            trial = self._minimal(runner, trial) if shrink else trial
            text = f"{self._label} {trial.message}"
            schedule, failing = trial.run.schedule, len(alike)
            findings.append(
                Finding(
                    code,
                    text,
                    schedule=schedule,
                    failing=failing,
                    total=len(trials),
                    detail=trial.detail,
                    fix=wording.fix(code),
                )
            )
        return findings

    def _minimal(self, runner: Runner, trial: _Trial) -> _Trial:
        tried = {trial.run.schedule: trial}

        def fails(schedule: Schedule) -> bool:
            if schedule not in tried:
                tried[schedule] = self._judged(runner, schedule)
            return tried[schedule].code == trial.code

        return tried[minimise(trial.run.schedule, fails, identical=len(self._jobs) == 1)]

    def _verdict(
        self, findings: list[Finding], trials: Sequence[_Trial], planned: int, copies: int, seconds: float
    ) -> Verdict:
        status = "holds"
        if findings:
            status = "inconclusive" if all(finding.inconclusive for finding in findings) else "fails"
        made = [moments for trial in trials for moments in self._throttle.made(trial.run.trace).values()]
        most = max((len(self._throttle.crowd(moments)) for moments in made), default=0)
        claim = (
            f"at most {most} calls in any {told(self._throttle.window)}, {self._throttle.calls} allowed; all work done"
        )
        failing = sum(bool(trial.code) for trial in trials)
        result = FamilyResult("throttle", status, planned, len(trials), failing, 0, claim)
        counted = f"{len(trials)} of {planned} bursts of {copies} copies"
        said = f"complete: {claim} ({counted})" if status == "holds" else f"{counted} run"
        return Verdict(self._label, status, said, tuple(findings), (result,), (), len(trials), seconds)


def _axis(moments: Sequence[int]) -> str:
    """When calls were made, in seconds after the first one."""
    shown = [told(moment - moments[0]).removesuffix(" s") for moment in moments]
    if len(shown) > 2 * _SHOWN:
        shown = [*shown[:_SHOWN], "...", *shown[-_SHOWN:]]
    return f"seconds     {' '.join(shown)}"
