"""RetryJudge: was a job retried as its policies say, and, if it was given up, did it say so and leave no mess?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from jobchaos.core.compare import Comparison, Fresh
from jobchaos.core.result import RunResult
from jobchaos.core.retrying import Retrying
from jobchaos.core.schedule import Fault
from jobchaos.oracle.judge import Judgement
from jobchaos.oracle.patient import PatientJudge
from jobchaos.oracle.rules import Rules
from jobchaos.oracle.tries import (
    Delivery,
    applied,
    at_another_time,
    begins_by_watching,
    failing_call,
    too_many_or_few,
    tries,
)

_BEFORE = "the state before it"
_ENDLESS = 100  # executions until a job that is still retried counts as one that always will be


class RetryJudge(PatientJudge):
    """Judges schedules in which calls fail by the job's policies too; all others as `PatientJudge` does.

    Args:
        expected: See `Judge`.
        rules: See `Judge`.
        later: See `PatientJudge`.
        within: See `Judge`.
        retrying: How the job is retried.
    """

    def __init__(
        self,
        expected: RunResult,
        rules: Rules,
        later: Callable[[int], RunResult],
        within: int | None,
        retrying: Retrying,
    ) -> None:
        super().__init__(expected, rules, later, within)
        self._retrying = retrying

    def judge(self, run: RunResult, family: str) -> Judgement:
        """See `Judge.judge`."""
        judgement = super().judge(run, family)
        faults = {segment.fault: segment for segment in run.schedule.runs if segment.fault is not None}
        if family != "retry" or len(run.copies) != 1 or not faults.keys() <= {*_FAILING}:
            return judgement
        deliveries = tries(run.trace)
        wrong = self._number(run, faults.keys(), deliveries)
        if wrong:
            return self._told(judgement, *wrong)
        for_good = Fault.FATAL in faults or (Fault.DOWN in faults and not faults[Fault.DOWN].count)
        if self._is_given_up(run, for_good=for_good):
            return self._given_up(run, is_applied=Fault.LOST in faults)
        if for_good and not run.completed:
            return self._told(judgement)
        (copy,) = run.copies.values()
        # Not if an attempt that did not even get to the call has completed: it was misled by what the others have left.
        if for_good and judgement.code in ("JC502", "JC503") and len(deliveries) == copy.attempts:
            return self._told(judgement, "JC505")
        again = "" if judgement.code else self._after_success(run, deliveries)
        return self._told(judgement, "JC507", again) if again else judgement

    def _number(self, run: RunResult, faults: object, deliveries: tuple[Delivery, ...]) -> tuple[str, str] | None:
        """What is wrong with the number of tries and their times: a code, and words."""
        (copy,) = run.copies.values()
        if _goes_on(copy.error) or copy.attempts > _ENDLESS:
            return None if begins_by_watching(run.trace) else ("JC506", "never stops retrying")
        if faults == {Fault.FATAL} and any(len(delivery.failed) > 1 for delivery in deliveries):
            most = max(len(delivery.failed) for delivery in deliveries)
            return "JC508", f"tries again after an error that is fatal, {most} times in all,"
        total = sum(len(delivery.failed) for delivery in deliveries)
        queue, own = self._retrying.queue, self._retrying.own
        if queue is not None and len(deliveries) > 1 and total > max(len(deliveries), queue.most_tries):
            each = f"{len(deliveries)} deliveries with {len(deliveries[0].failed)} tries each"
            return "JC509", f"tries one call {total} times, {each},"
        for delivery in deliveries if own is not None and faults != {Fault.FATAL} else ():
            if len(delivery.tried) > 1 and own is not None:
                number = too_many_or_few(delivery, own)
                time = "" if own.retry_after else at_another_time(delivery, own)  # errors may say when themselves
                if number or time:
                    return ("JC510", number) if number else ("JC511", time)
        return None

    def _is_given_up(self, run: RunResult, *, for_good: bool) -> bool:
        """True if it counts as given up: by its queue, or by itself with a red flag."""
        if not self._retrying.is_given:
            return False
        return not run.completed or (for_good and self._flags(run) > 0)

    def _given_up(self, run: RunResult, *, is_applied: bool) -> Judgement:
        """Judge a job that was given up: by its red flag, and by what it leaves.

        Nobody can take back a call that was applied, but never answered.
        """
        comparison = self._against_before(run)
        judgement = Judgement("", comparison, (), (), against=_BEFORE)
        flag = self._retrying.flag
        if flag is not None:
            times = self._flags(run)
            if times == 0:
                return self._told(judgement, "JC512", f"is given up without its red flag ({flag})")
            if times > 1:
                return self._told(judgement, "JC513", f"raises its red flag ({flag}) {times} times, not once,")
        if comparison.diff and not is_applied:
            places = ", ".join(sorted(comparison.diff.places))
            return self._told(judgement, "JC514", f"is given up, and leaves {places} changed")
        return judgement

    def _against_before(self, run: RunResult) -> Comparison:
        flag = self._retrying.flag
        rules = self._rules
        before, after = rules.initial, rules.whole(run.state)
        if flag is not None:
            before, after = flag.without(before), flag.without(after)
        return dataclasses.replace(rules, initial=before).compare(before, after, (Fresh(()), run.fresh))

    def _flags(self, run: RunResult) -> int:
        flag = self._retrying.flag
        return 0 if flag is None else flag.times(run.trace, run.state, self._rules.initial)

    def _after_success(self, run: RunResult, deliveries: tuple[Delivery, ...]) -> str:
        """Whether a call was made again although it had been answered at last."""
        call = failing_call(run.trace)
        expected = 0 if call is None else applied(self._expected.trace, call)
        last = deliveries[-1].succeeded if deliveries else 0
        if last > max(1, expected):
            return f"makes a call {last} times after it has failed, where one clean run makes it {expected} times,"
        return ""

    @staticmethod
    def _told(judgement: Judgement, code: str = "", message: str = "") -> Judgement:
        return Judgement(code, judgement.comparison, judgement.unfinished, (), against=judgement.against, said=message)


_FAILING = (Fault.FAIL, Fault.LOST, Fault.DOWN, Fault.FATAL)


def _goes_on(error: str) -> bool:
    return error.startswith(("waits for ever for a condition that it polls", "tries it more than"))
