"""PatientJudge: what a run may leave in which time passes, and what a lease has to do with it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Wait
from jobchaos.core.trace import Happening
from jobchaos.oracle.judge import Judge, Judgement
from jobchaos.oracle.lease_fault import LeaseFault, kept_lease, lease_fault
from jobchaos.oracle.rules import Rules

_FAMILY, _TIMEOUT = "expiry", "timeout"


class PatientJudge(Judge):
    """Compares a run in which time passes with clean runs at all moments between.

    A job may do something else later (send a reminder, say that an order is too late): that is its business, as long
    as it does what one delivery at some moment would have done.

    Args:
        expected: See `Judge`.
        rules: See `Judge`.
        later: Gives a clean run that begins so many nanoseconds later.
        within: See `Judge`.
    """

    def __init__(
        self,
        expected: RunResult,
        rules: Rules,
        later: Callable[[int], RunResult],
        within: int | None = None,
    ) -> None:
        super().__init__(expected, rules, within)
        self._later = later
        self._judges: dict[int, Judge] = {}

    def judge(self, run: RunResult, family: str) -> Judgement:
        """See `Judge.judge`."""
        judgement = super().judge(run, family)
        if family == "duplicate" and not judgement.code:
            kept = kept_lease(run.trace)
            return judgement if kept is None else because_of(judgement, kept)
        if family not in (_FAMILY, _TIMEOUT) or not judgement.code or judgement.said:
            return judgement
        for passed in _delays(run, family):
            at_that_time = self._at(passed).judge(run, family)
            if not at_that_time.code:
                return at_that_time
        fault = lease_fault(run.trace) if family == _FAMILY else None
        return judgement if fault is None else because_of(judgement, fault)

    def _at(self, delay: int) -> Judge:
        if delay not in self._judges:
            self._judges[delay] = Judge(self._later(delay), self._rules)
        return self._judges[delay]


def _delays(run: RunResult, family: str) -> list[int]:
    """How long after the first delivery one that counts may have begun, in virtual nanoseconds."""
    if family == _FAMILY:
        waits = (segment.nanoseconds for segment in run.schedule.segments if isinstance(segment, Wait))
        return list(itertools.accumulate(waits))
    deliveries = [event.at for event in run.trace.events if event.happening is Happening.DELIVERED]
    return [at - deliveries[0] for at in deliveries[1:]]


def because_of(judgement: Judgement, fault: LeaseFault) -> Judgement:
    """The same, told as what has gone wrong with a lease."""
    lines = [line for line in (judgement.detail, f"lease {_bare(fault.name)}: {fault.text}") if line]
    return dataclasses.replace(judgement, code=fault.code, detail="\n".join(lines))


def _bare(name: str) -> str:
    """A lease's name without the kind of resource and its folders: `lease:sql:/tmp/app.db/locks/name=x` is `name=x`."""
    return name.removeprefix("lease:").rstrip("/").rpartition("/")[2]
