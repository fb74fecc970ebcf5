"""Failures: each call fails once, or is applied with its reply lost, while the worker lives on."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.effect import Effect, Site
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.core.trace import Happening, TraceEvent
from jobchaos.explore.plan import failures
from jobchaos.outages import Outages
from jobchaos.trials import Covered, Trial, Trials

_FAMILY = "retry"
_Consequence = tuple[Site | None, bool, Fault | None]
"""Where a call is made, whether it lasts (one helper may send statements and the COMMIT), and its fault."""


class Failures:
    """Tries all failures of one job, but for those whose consequence is known.

    What a call site does with a failed call is seen the first time. If the failure ends the attempt there and then, it
    does so in the next round of a loop, too; what is left behind is then what a crash there leaves. (Dynamic reduction:
    Meiklejohn et al., Service-Level Fault Injection Testing, SoCC 2021.)

    Args:
        trials: Runs and judges.
        outages: Tries calls that fail more than once.
        crashes: True if crashes are tried as well, so that attempts that end early are covered.
    """

    def __init__(self, trials: Trials, outages: Outages, *, crashes: bool) -> None:
        self._trials = trials
        self._outages = outages
        self._crashes = crashes
        self._known: set[_Consequence] = set()

    def cover(self, effects: Sequence[Effect]) -> Covered:
        """Try them in the order of the plan.

        Args:
            effects: Those of one clean run.
        """
        plan = failures(effects)
        self._trials.begin()
        self._trials.announce(_FAMILY, len(plan))
        failing = [(effects[run.steps or 0], run.fault) for schedule in plan for run in schedule.runs[:1]]
        consequences = [(effect.site, effect.durable, fault) for effect, fault in failing]
        done: dict[int, Trial | None] = {}

        def fails(index: int) -> bool:
            # What is known must not depend on the order of the calls, which is a matter of chance.
            for earlier in range(index + 1):
                if consequences[earlier] == consequences[index] and earlier not in done:
                    if self._trials.exhausted:
                        break
                    known = consequences[earlier] in self._known
                    done[earlier] = None if known else self._try(plan[earlier], consequences[earlier])
            trial = done.get(index)
            return trial is not None and bool(trial.code)

        self._trials.try_all(_FAMILY, len(plan), fails)
        tried = [trial for _, trial in sorted(done.items()) if trial is not None]
        covered = Covered(
            _FAMILY,
            "every call failing once, and applied once with its reply lost",
            len(plan),
            tried,
            pruned=len(done) - len(tried),
            complete=len(done) == len(plan),
        )
        caught = {plan[index].runs[0].steps for index, trial in done.items() if trial is not None and _is_caught(trial)}
        self._outages.extend(covered, effects, frozenset(caught))
        return covered

    def _try(self, schedule: Schedule, consequence: _Consequence) -> Trial:
        trial = self._trials.run(_FAMILY, schedule)
        if self._crashes and not trial.code and consequence[0] is not None and _ends_at_once(trial.run):
            self._known.add(consequence)
        return trial


def _ends_at_once(run: RunResult) -> bool:
    """True if the failed call was the last thing that the attempt did."""
    first = [event for event in run.trace.events if event.attempt == 1]
    return len(first) > 1 and first[-1].happening is Happening.RAISED and _failed(first[-2])


def _is_caught(trial: Trial) -> bool:
    """True if the job has survived the failed call: then it may try it again, for as long as it fails."""
    return trial.schedule.runs[0].fault is Fault.FAIL and not trial.code and not _ends_at_once(trial.run)


def _failed(event: TraceEvent) -> bool:
    return event.happening is Happening.EFFECT and (not event.applied or "reply lost" in event.detail)
