"""Confirmer: runs what was found with simulated kills once more, in processes that really die."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator

from jobchaos.baseline import CLEAN
from jobchaos.core.diff import Diff
from jobchaos.core.events import Event, Listener, ScheduleRun
from jobchaos.core.finding import OF_CLEAN_RUNS, Finding
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.engine.runner import Runner
from jobchaos.errors import UsageError
from jobchaos.explore.plan import family_of
from jobchaos.findings import Family
from jobchaos.oracle.judge import Judge, Judgement
from jobchaos.report.state import state_lines

_FAMILY = "crash"
_SAMPLE = {"quick": 2, "full": 3}  # passing schedules to try as well; each costs two forks
_WIDTH = 100

SIGKILL = "with a real SIGKILL"
PROCESS = "in a process of its own"
_UNCONFIRMED = f"crashes were simulated, and not confirmed {SIGKILL}"
_ELSEWHERE = (
    f"one clean run {PROCESS} does not leave what it leaves in this one. Some state is in this process's memory, or "
    "depends on the process"
)


class Confirmer:
    """Compares simulated crashes with real ones, by verdict and by state.

    Args:
        job: The job's label.
        simulated: Runs schedules in threads.
        real: Runs them in forked workers.
        judge: Compares with the single run.
        judge_against: Makes a judge that compares with another run.
        settings: Of the check. With the isolation `thread` nothing is confirmed, with `process` all is real already;
            profile and seed choose the sample of passing schedules.
        remark: Takes what the verdict must mention.
    """

    def __init__(
        self,
        job: str,
        simulated: Runner,
        real: Runner,
        judge: Judge,
        judge_against: Callable[[RunResult], Judge],
        *,
        settings: Settings,
        remark: Callable[[str], None],
    ) -> None:
        self._job = job
        self._simulated = simulated
        self._real = real
        self._judge = judge
        self._judge_against = judge_against
        self._settings = settings
        self._remark = remark
        self._passing: dict[Schedule, None] = {}

    def overhear(self, listener: Listener) -> Listener:
        """A listener that passes everything on, and remembers which crash schedules pass."""

        def heard(event: Event) -> None:
            if isinstance(event, ScheduleRun) and event.family == _FAMILY and event.passed:
                self._passing[event.schedule] = None
            listener(event)

        return heard

    def confirmed(self, family: Family) -> Family:
        """What came of a family, after its crashes were tried for real: findings are confirmed, or become doubtful."""
        if family.result.name != _FAMILY or self._settings.isolation == "thread":
            return family
        if self._settings.isolation == "process":
            return dataclasses.replace(family, findings=tuple(_real(finding) for finding in family.findings))
        try:
            clean = self._run_for_real(CLEAN)
            if clean.stuck:
                self._remark(f"{_UNCONFIRMED}: {_hung(clean.stuck)}")
                return family
            if not clean.completed or self._judge.compare(clean.state, clean.fresh).diff:
                self._remark(f"{_UNCONFIRMED}: {_ELSEWHERE}")
                return family
            findings = [checked for finding in family.findings for checked in self._checked(finding)]
            findings += [doubt for schedule in self._sample() for doubt in self._doubts(schedule)]
        except UsageError as error:  # no fork is possible: what was found stands, as simulated
            self._remark(f"{_UNCONFIRMED}: {error}")
            return family
        result = family.result
        if any(finding.code == "JC910" for finding in findings):
            still_fails = any(finding.gates and not finding.inconclusive for finding in findings)
            result = dataclasses.replace(result, status="fails" if still_fails else "inconclusive")
        return dataclasses.replace(family, result=result, findings=tuple(findings))

    def _checked(self, finding: Finding) -> Iterator[Finding]:
        if finding.schedule is None or not _is_shown(finding):
            yield finding
            return
        doubts, judgement = self._compared(finding.schedule)
        if judgement.code:
            yield finding if doubts else _real(finding)
        yield from doubts

    def _doubts(self, schedule: Schedule) -> list[Finding]:
        return self._compared(schedule)[0]

    def _sample(self) -> list[Schedule]:
        passing = sorted(self._passing, key=lambda schedule: schedule.simplicity)
        most = min(_SAMPLE[self._settings.profile], len(passing))
        return random.Random(self._settings.seed).sample(passing, most)  # noqa: S311 - no secret

    def _compared(self, schedule: Schedule) -> tuple[list[Finding], Judgement]:
        """Run a schedule both ways; return how they disagree, and what the real one has come to."""
        simulated, real = self._simulated.run(schedule), self._run_for_real(schedule)
        expected, judgement = (self._judge.judge(run, family_of(schedule)) for run in (simulated, real))
        same_state = not self._judge_against(simulated).compare(real.state, real.fresh).diff
        odd = {each for each in real.oddities if each not in simulated.oddities and each[0] not in OF_CLEAN_RUNS}
        if expected.code == judgement.code and same_state and not real.stuck and not odd:
            return [], judgement
        told = [f"{code}: {self._job} {text}" for code, text in sorted(odd)]
        told += [_hung(real.stuck)] if real.stuck else []
        told += [f"a simulated kill comes to {expected.code or 'no finding'}; against one clean run it leaves"]
        told += [f"  {line}" for line in _lines(expected.comparison.diff)]
        finding = Finding(
            "JC910",
            f"{self._job} comes to {judgement.code or 'no finding'} {how(schedule)}, but to "
            f"{expected.code or 'no finding'} when that is simulated",
            schedule=schedule,
            diff=judgement.comparison.diff,
            trace=real.trace,
            detail="\n".join(told),
        )
        return [finding], judgement

    def _run_for_real(self, schedule: Schedule) -> RunResult:
        run = self._real.run(schedule)
        # A thread of the test's own may have held a lock when the worker was forked: that is chance, and no verdict.
        return self._real.run(schedule) if run.stuck else run


def _is_shown(finding: Finding) -> bool:
    """True if one run of a schedule shows it; growth is shown by many states, of which the last is right."""
    return finding.schedule is not None and finding.gates and not finding.inconclusive and finding.code != "JC305"


def _real(finding: Finding) -> Finding:
    if finding.schedule is None or not _is_shown(finding):
        return finding
    return dataclasses.replace(finding, confirmed=how(finding.schedule))


def how(schedule: Schedule) -> str:
    """What confirms a schedule that was run in forked workers."""
    return SIGKILL if schedule.kills else PROCESS


def _lines(diff: Diff) -> list[str]:
    return state_lines(diff, _WIDTH)


def _hung(where: str) -> str:
    return f"a worker that is a process of its own did not reach its next step in time, {where}"
