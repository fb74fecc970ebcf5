"""Judge: is the state that a run left the single run's, and did everything complete?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from jobchaos.core.compare import Comparison, Fresh
from jobchaos.core.diff import Change
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault
from jobchaos.core.snapshot import State
from jobchaos.core.terms import AfterKill
from jobchaos.oracle.anomaly import anomaly_of
from jobchaos.oracle.lateness import lateness
from jobchaos.oracle.rules import Rules
from jobchaos.oracle.tries import tried_again

_MISSING, _OTHER, _SWALLOWED = 2, 3, 5
_GONE = {AfterKill.LOST: "JC306", AfterKill.STUCK: "JC307"}
_PREFIX = {
    "duplicate": "JC10",
    "concurrent": "JC20",
    "crash": "JC30",
    "timeout": "JC41",
    "retry": "JC50",
    "expiry": "JC60",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with one run.

    Attributes:
        code: The finding's code; empty if nothing is wrong.
        comparison: Its state against the single run's.
        unfinished: Letters of copies that never completed.
        advice: Codes of advice that it gives, each with its message.
        detail: Further text: the anomaly with its cycle, if there is one.
        against: The serial order of different jobs that the state was compared with; empty for a single run.
        said: What is wrong, where it is not the state.
        fix: What helps, where this is known more exactly than from the code.
    """

    code: str
    comparison: Comparison
    unfinished: tuple[str, ...]
    advice: tuple[tuple[str, str], ...]
    detail: str = ""
    against: str = ""
    said: str = ""
    fix: str = ""


class Judge:
    """Compares runs with one clean run.

    Args:
        expected: The clean run.
        rules: What counts.
        within: Virtual nanoseconds that an attempt may take; None for any time.
    """

    def __init__(self, expected: RunResult, rules: Rules, within: int | None = None) -> None:
        self._expected = expected
        self._rules = rules
        self._within = within
        self._renames = any(
            table.generated for snapshot in expected.state.values() for table in snapshot.tables.values()
        )

    def judge(self, run: RunResult, family: str) -> Judgement:
        """Judge one run of a schedule of `family`."""
        comparison = self.compare(run.state, run.fresh)
        late = lateness(run, self._within) if family == "timeout" else None
        judgement = self._judge(run, family, comparison)
        if late is None or (judgement.code and not late.for_ever):
            return judgement
        return Judgement(late.code, comparison, judgement.unfinished, (), said=late.said, fix=late.fix)

    def _judge(self, run: RunResult, family: str, comparison: Comparison) -> Judgement:
        # Another copy may do what a lost one has not, so that a loss alone is no fault of overlaps.
        lost = [copy.after_kill for copy in run.copies.values() if not copy.completed and copy.after_kill in _GONE]
        unfinished = tuple(
            letter for letter, copy in run.copies.items() if not copy.completed and copy.after_kill not in _GONE
        )
        if lost and family == "crash" and comparison.diff:
            return Judgement(_GONE[lost[0]], comparison, tuple(run.copies), ())
        if not comparison.diff:
            stuck = tuple(
                letter
                for letter, copy in run.copies.items()
                if (copy.completed or letter in unfinished) and _hangs(copy.error)  # be it only when delivered again
            )
            advice = tuple(
                ("JC701", run.copies[letter].error)
                for letter in unfinished
                if letter not in stuck
                and (len(run.copies) > 1 or run.copies[letter].attempts > 1)  # else it is the first
            )
            return Judgement(_code(family, 4) if stuck else "", comparison, stuck, advice)
        kind = self._kind(comparison, unfinished)
        if family in ("retry", "timeout") and kind in (_MISSING, _OTHER) and _reports_success(run):
            kind = _SWALLOWED
        anomaly = anomaly_of(run.trace, comparison.diff.places) if family == "concurrent" else None
        detail = "" if anomaly is None else str(anomaly)
        over_time = any(segment.fault is Fault.LIMIT for segment in run.schedule.runs)
        code = "JC308" if over_time else _code(family, kind)
        return Judgement(code, comparison, unfinished, (), detail=detail)

    def compare(self, state: State, fresh: Fresh) -> Comparison:
        """Compare a state with the single run's."""
        rules, clean = self._rules, self._expected
        return rules.compare(rules.whole(clean.state), rules.whole(state), (clean.fresh, fresh))

    @property
    def leaves_out(self) -> bool:
        """True if anything is left out of comparisons on request."""
        return self._rules.ignore != self._rules.ignore.of_garbage

    def same(self, one: tuple[State, Fresh], other: tuple[State, Fresh], *, wholly: bool = False) -> bool:
        """True if two states, each with the random values handed out before it, differ in nothing that matters.

        Args:
            one: A state.
            other: Another one.
            wholly: Whether what is left out on request matters, too: a job may decide by it.
        """
        rules = self._rules
        if wholly and rules.ignore.patterns:
            rules = dataclasses.replace(rules, ignore=rules.ignore.of_garbage)
        mine, theirs = rules.whole(one[0]), rules.whole(other[0])
        if all(snapshot.same_as(theirs[name]) for name, snapshot in mine.items()):
            return True
        if not (self._renames or rules.volatile.columns or rules.ignore.patterns or one[1].chunks or other[1].chunks):
            return False
        if not rules.ignore.patterns and _sizes(mine) != _sizes(theirs):  # much faster than to rename
            return False
        return not rules.compare(mine, theirs, (one[1], other[1])).diff

    def _kind(self, comparison: Comparison, unfinished: tuple[str, ...]) -> int:
        foreign = [change for change in comparison.diff.changes if change.store in self._rules.ledgers]
        if any(change.kind == "extra" for change in foreign):
            return 1
        if unfinished:
            return 4
        if any(change.kind == "missing" for change in foreign):
            return _MISSING
        return _OTHER


def _sizes(state: State) -> dict[tuple[str, str], int]:
    return {
        (store, name): len(table.rows)
        for store, snapshot in state.items()
        for name, table in snapshot.tables.items()
        if table.rows
    }


def first_change(comparison: Comparison, ledgers: frozenset[str]) -> Change | None:
    """The change a report should lead with: what others have seen, before what only we have stored."""
    changes = sorted(comparison.diff.changes, key=lambda change: change.store not in ledgers)
    return changes[0] if changes else None


def _code(family: str, kind: int) -> str:
    return f"{_PREFIX[family]}{kind}"


def _reports_success(run: RunResult) -> bool:
    """True if the very attempt whose call failed has finished as if nothing had happened, and has not tried again."""
    return all(copy.completed and copy.attempts == 1 for copy in run.copies.values()) and not tried_again(run.trace)


def _hangs(error: str) -> bool:
    return error.startswith(("waits for ever", "takes more than"))
