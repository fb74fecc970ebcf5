"""Late: time passes while a job is paused, dead or done - just beyond the times that it has stated itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobchaos.core.job import Job
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Run, Schedule, Wait
from jobchaos.core.settings import Settings
from jobchaos.engine.runner import Runner
from jobchaos.explore.moments import Moments
from jobchaos.explore.plan import family_of
from jobchaos.trials import Covered, Trial, Trials

_FAMILY = "expiry"
_SECOND = 10**9


class Late:
    """Covers the schedules of one job in which time passes.

    What fails without it, too, is told by the other families: here it is left out.

    Args:
        trials: Runs and judges.
        settings: How far to go.
        stated: Further moments, as seconds from the beginning of an attempt.
        shapes: Families that its schedules would belong to if no time passed.
    """

    def __init__(self, trials: Trials, settings: Settings, stated: Sequence[float], shapes: Iterable[str]) -> None:
        self._trials = trials
        self._settings = settings
        self._stated = [round(seconds * _SECOND) for seconds in stated]
        self._shapes = frozenset(shapes)
        self._timeless: dict[Schedule, bool] = {}

    def cover(self, clean: RunResult) -> Covered:
        """Try them, the simplest first, until all are tried or the budget is spent.

        Args:
            clean: A clean run.
        """
        settings, trials = self._settings, self._trials
        horizon = round(settings.horizon * _SECOND)
        late = Moments(clean.trace, self._stated, horizon, looks=clean.read_clock)
        plan = late.schedules(settings.preemptions, round(settings.skew * _SECOND))
        plan = [schedule for schedule in plan if family_of(schedule.timeless) in self._shapes]
        if not plan:
            return Covered(_FAMILY)
        trials.begin()
        trials.announce(_FAMILY, len(plan))
        done: dict[int, Trial | None] = {}

        def fails(index: int) -> bool:
            if index not in done and not trials.exhausted:
                done[index] = self._try(plan[index])
            trial = done.get(index)
            return trial is not None and bool(trial.code)

        trials.try_all(_FAMILY, len(plan), fails)
        tried = [trial for _, trial in sorted(done.items()) if trial is not None]
        return Covered(
            _FAMILY,
            _claim(late, settings),
            len(plan),
            tried,
            pruned=len(done) - len(tried),
            complete=len(done) == len(plan),
        )

    def _try(self, schedule: Schedule) -> Trial | None:
        trial = self._trials.run(_FAMILY, schedule)
        return None if trial.code and self._fails_anyway(schedule.timeless) else trial

    def _fails_anyway(self, timeless: Schedule) -> bool:
        if timeless not in self._timeless:
            family = family_of(timeless)
            self._timeless[timeless] = bool(self._trials.run(family, timeless).code)
        return self._timeless[timeless]


def meetings(jobs: Sequence[str], clean: RunResult, settings: Settings) -> tuple[list[Schedule], str]:
    """Schedules of different jobs in which one is paused until a time of its own is over, and the others run.

    Args:
        jobs: Their letters.
        clean: One after the other.
        settings: How far to go.

    Returns:
        The schedules, and what to say of them.
    """
    horizon, found, lengths = round(settings.horizon * _SECOND), [], set()
    for letter in jobs:
        late = Moments(clean.trace, (), horizon, looks=clean.read_clock, letter=letter)
        found += late.meeting([other for other in jobs if other != letter])
        lengths |= {span.length / _SECOND for span in late.spans}
    times = ", ".join(f"{length:g} s" for length in sorted(lengths))
    return found, f", {times} running out at every step of one of them" if found else ""


def clean_run_later(runner: Runner, delay: int) -> RunResult:
    """A clean run that begins so many nanoseconds later."""
    return runner.run(Schedule((Wait(delay), Run("A"))))


def stated_moments(jobs: Sequence[Job], settings: Settings) -> tuple[float, ...]:
    """Seconds from the beginning of an attempt at which its queue does something, as the settings and the job tell."""
    moments: list[float | None] = [settings.visibility_timeout]
    for job in jobs:
        policy = job.retrying.queue
        moments += () if job.terms is None else (job.terms.soft_limit, job.terms.hard_limit)
        moments += () if policy is None else (policy.delay(1).high / _SECOND,)  # after an error at its very beginning
    return tuple(sorted({moment for moment in moments if moment}))


def _claim(late: Moments, settings: Settings) -> str:
    lengths = sorted({span.length for span in late.spans})
    times = ", ".join(f"{length / _SECOND:g} s" for length in lengths)
    skew = f", with a clock wrong by {settings.skew:g} s" if settings.skew else ""
    left = ", ".join(f"{length / _SECOND:g} s" for length in sorted(set(late.left_out)))
    return f"{times} running out at every step{skew}" + (f" (not tried: {left})" if left else "")
