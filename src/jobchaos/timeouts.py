"""Timeouts: each call of the job hangs in turn, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.baseline import CLEAN
from jobchaos.core.finding import Finding
from jobchaos.core.hang import HangPoint, name_of
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Happening
from jobchaos.explore.hanging import hangs, is_endless_lock
from jobchaos.oracle.lateness import longest_attempt, place
from jobchaos.trials import Covered, Trial, Trials

_FAMILY = "timeout"
_Consequence = tuple[object, ...]


class Timeouts:
    """Tries all waits of one job, but for those whose consequence is known.

    As with failing calls (`failures.py`): what a call site does with a timeout is seen the first time. If it ends the
    attempt there and then, it does so in the next round of a loop, and what is left behind is what a crash there
    leaves.

    Args:
        trials: Runs and judges.
        within: Virtual nanoseconds that an attempt may take; None for any time.
        crashes: True if crashes are tried as well, so that attempts that end early are covered.
    """

    def __init__(self, trials: Trials, *, within: int | None, crashes: bool) -> None:
        self._trials = trials
        self._within = within
        self._crashes = crashes
        self._known: set[_Consequence] = set()

    def cover(self) -> Covered:
        """Try them in the order of the plan; a clean run first, if time matters."""
        trials = self._trials
        trials.begin()
        survey = trials.runner.run(CLEAN, survey=True)
        trials.note(survey)
        points = survey.copies["A"].points
        clean = [] if self._within is None else [CLEAN]
        plan = [*clean, *hangs(points, total=self._within is not None)]
        trials.announce(_FAMILY, len(plan))
        by_position = {(point.steps, point.number): point for point in points}
        tried: list[Trial] = []
        known = 0
        for schedule in plan:  # in this order, as how many are known depends on it
            if trials.exhausted:
                break
            trial = self._try(schedule, by_position, longest_attempt(survey))
            known += trial is None
            tried += [] if trial is None else [trial]
        return Covered(
            _FAMILY,
            "every call never answered, and answered too late",
            len(plan),
            tried,
            pruned=known,
            complete=len(tried) + known == len(plan),
            findings=_advice(trials.job, points),
        )

    def _try(self, schedule: Schedule, points: dict[tuple[int, int], HangPoint], clean: int) -> Trial | None:
        segment = schedule.runs[0]
        point = points.get((segment.steps or 0, segment.wait))
        if point is None or segment.fault is None:
            return self._trials.run(_FAMILY, schedule)
        kind = None if point.effect is None else point.effect.kind
        consequence = kind, point.site, point.far, point.waits_for, point.timeout, segment.fault
        if consequence in self._known:
            return None
        trial = self._trials.run(_FAMILY, schedule)
        # Later in the attempt the same wait must not make it too long.
        in_time = self._within is None or clean + (point.timeout or 0) <= self._within
        if self._crashes and in_time and not trial.code and point.site is not None and _ends_at_once(trial.run):
            self._known.add(consequence)
        return trial


def _ends_at_once(run: RunResult) -> bool:
    """True if the call that timed out was the last thing that the attempt did."""
    last = [event for event in run.trace.events if event.attempt == 1][-2:]
    return last[-1].happening is Happening.RAISED and last[0].happening in (Happening.EFFECT, Happening.TIMED_OUT)


def _advice(job: str, points: Sequence[HangPoint]) -> list[Finding]:
    """Name the waits for locks of files that have no limit, once a place.

    Another process may hold them, and be stopped or hang. Who holds a lock of this process hangs only in a call that
    has no timeout, which is told by itself, or waits for the other side with it (JC713).
    """
    endless = {point.site: point for point in points if is_endless_lock(point) and "/" in point.far}
    if not endless:
        return []
    names = ", ".join(f"{name_of(point.far)}{place(point)}" for point in endless.values())
    message = f"{job}: waits for a lock without a limit ({names}). If whoever holds it hangs, so does this job"
    return [Finding("JC711", message, fix=next(iter(endless.values())).advice)]
