"""SerialJudge: did different jobs leave what some serial order of them leaves?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jobchaos.core.compare import Comparison, Fresh
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule, Wait
from jobchaos.core.snapshot import State, same_state
from jobchaos.oracle.anomaly import DIRTY_WRITE, LOST_UPDATE, NON_REPEATABLE_READ, READ_SKEW, WRITE_SKEW, anomaly_of
from jobchaos.oracle.judge import Judge, Judgement
from jobchaos.oracle.lease_fault import lease_fault
from jobchaos.oracle.patient import because_of
from jobchaos.oracle.rules import Rules

_CODES = {
    LOST_UPDATE: "JC205",
    WRITE_SKEW: "JC206",
    NON_REPEATABLE_READ: "JC207",
    READ_SKEW: "JC207",
    DIRTY_WRITE: "JC208",
}
_NEVER_COMPLETES, _OTHER = "JC204", "JC209"


class SerialJudge:
    """Compares runs of different jobs with all their serial orders.

    That is view serialisability of the final state (Papadimitriou, The Serializability of Concurrent Database Updates,
    JACM 1979): what the jobs did on the way does not matter, if it can be told neither from what they left nor from who
    completed.

    Args:
        orders: One run of each serial order.
        labels: Letter to the label of its job.
        rules: What counts.
        run: Runs a serial order in which time passes.
    """

    def __init__(
        self,
        orders: Sequence[RunResult],
        labels: Mapping[str, str],
        rules: Rules,
        run: Callable[[Schedule], RunResult],
    ) -> None:
        self._rules = rules
        self._schedules = [order.schedule for order in orders]
        self._orders = [(order, Judge(order, rules)) for order in _distinct(orders)]
        self._run = run
        self._late: dict[int, list[tuple[RunResult, Judge]]] = {}
        self._legend = ", ".join(f"{letter} is {label}" for letter, label in labels.items())

    def judge(self, run: RunResult, family: str) -> Judgement:
        """Judge one run of any family against the nearest serial order: the one with the fewest changes.

        If time passes in it, then against orders, too, in which it passes before a job: what it does so late is its
        business.
        """
        judgement = self._nearest(run, self._orders)
        passed = sum(segment.nanoseconds for segment in run.schedule.segments if isinstance(segment, Wait))
        if not judgement.code or not passed:
            return judgement
        at_that_time = self._nearest(run, self._orders_later(passed))
        fault = lease_fault(run.trace)
        if not at_that_time.code:
            return at_that_time
        return judgement if fault is None else because_of(judgement, fault)

    def _orders_later(self, delay: int) -> list[tuple[RunResult, Judge]]:
        if delay not in self._late:
            late = (
                self._run(Schedule((*order.runs[:at], Wait(delay), *order.runs[at:])))
                for order in self._schedules
                for at in range(len(order.runs))
            )
            self._late[delay] = [(order, Judge(order, self._rules)) for order in _distinct(list(late))]
        return self._late[delay]

    def _nearest(self, run: RunResult, orders: Sequence[tuple[RunResult, Judge]]) -> Judgement:
        compared: list[tuple[RunResult, Comparison]] = []
        for order, judge in orders:
            comparison = judge.compare(run.state, run.fresh)
            if not comparison.diff and _outcome(order) == _outcome(run):
                return Judgement("", comparison, (), ())
            compared.append((order, comparison))
        order, comparison = min(
            compared, key=lambda pair: (len(pair[1].diff.changes), _outcome(pair[0]) != _outcome(run))
        )
        unfinished = tuple(
            letter for letter, copy in run.copies.items() if not copy.completed and order.copies[letter].completed
        )
        anomaly = anomaly_of(run.trace, comparison.diff.places)
        code = _OTHER if anomaly is None else _CODES.get(anomaly.name, _OTHER)
        detail = self._legend if anomaly is None else f"{anomaly}\n{self._legend}"
        return Judgement(_NEVER_COMPLETES if unfinished else code, comparison, unfinished, (), detail, named(order))

    @property
    def leaves_out(self) -> bool:
        """See `Judge.leaves_out`."""
        return self._orders[0][1].leaves_out

    def same(self, one: tuple[State, Fresh], other: tuple[State, Fresh], *, wholly: bool = False) -> bool:
        """See `Judge.same`."""
        return self._orders[0][1].same(one, other, wholly=wholly)


def named(order: RunResult) -> str:
    """A serial order as reports name it: `B then A`."""
    return " then ".join(run.copy for run in order.schedule.runs)


def _distinct(orders: Sequence[RunResult]) -> list[RunResult]:
    """The first of each group of orders with the same result: jobs that commute have but one."""
    kept: list[RunResult] = []
    for order in orders:
        if not any(
            _outcome(order) == _outcome(other) and order.fresh == other.fresh and same_state(order.state, other.state)
            for other in kept
        ):
            kept.append(order)
    return kept


def _outcome(run: RunResult) -> dict[str, bool]:
    return {letter: copy.completed for letter, copy in run.copies.items()}
