"""Overlaps: copies that run at the same time, all orders of their steps within a bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobchaos.audit import Audit, Pruned
from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Schedule
from jobchaos.explore import counting
from jobchaos.explore.entry import Entry
from jobchaos.explore.footprints import Ambient, Footprints
from jobchaos.explore.gaps import gaps
from jobchaos.explore.histories import Histories
from jobchaos.explore.independence import dependent
from jobchaos.explore.interleavings import Bound, Interleavings, Node
from jobchaos.explore.prediction import predicted, reversals
from jobchaos.explore.sampling import Space
from jobchaos.trials import Covered, Trial, Trials

_FAMILY = "concurrent"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far to go.

    Attributes:
        copies: Most copies; for different jobs, how many they are.
        preemptions: Most pauses of a running copy for another one.
        kills: Most kills.
        identical: True if all copies are the same message.
        redeliveries: How often a copy is redelivered at most.
        audit: Which share of the schedules that need not be run is run all the same, from 0 to 1.
        seed: Chooses those.
        key: What a failing sample is remembered under.
    """

    copies: int
    preemptions: int
    kills: int
    identical: bool
    redeliveries: int
    audit: float
    seed: int
    key: bytes


class Overlaps:
    """Covers all overlaps of some copies, few before many.

    Args:
        trials: Runs and judges.
        reach: How far to go.
        ambient: What the job looks at between its effects.
        effects: What one clean attempt of each copy does, by the copy's letter; of identical copies, of A.
    """

    def __init__(self, trials: Trials, reach: Reach, ambient: Ambient, effects: Mapping[str, Sequence[Effect]]) -> None:
        self._trials = trials
        self._reach = reach
        self._ambient = ambient
        self._effects = effects
        self._covered = Covered(_FAMILY, explored=True)
        self._pruned: list[Pruned] = []
        self._by_schedule: dict[Schedule, Trial] = {}

    def cover(self) -> Covered:
        """Cheap schedules before dear ones, until all are covered, something fails, or the budget is spent."""
        covered, reach = self._covered, self._reach
        self._trials.begin()
        remembered = self._trials.remembered(_FAMILY)
        whole = self._bound(reach.copies)
        bound = self._affordable(whole)
        for copies in range(2, len(bound.steps) + 1) if reach.identical else (len(bound.steps),):
            if not self._over:
                self._explore(copies, bound.preemptions, bound.kills)
        covered.claim = _claim(bound, identical=reach.identical)
        if not self._over:
            wrong = Audit(self._trials, reach.audit, reach.seed).look(self._pruned)
            covered.findings += [wrong] if wrong else []
        if bound != whole and not self._over:
            self._sample(whole)
        covered.add_remembered(remembered)
        covered.pruned = len(self._pruned)
        return covered

    def _bound(self, copies: int) -> counting.Bound:
        letters = _LETTERS[:copies]
        effects = [self._effects["A" if self._reach.identical else letter] for letter in letters]
        return counting.Bound(
            steps=tuple(map(len, effects)),
            gaps=tuple(map(gaps, effects)),
            preemptions=self._reach.preemptions,
            kills=self._reach.kills,
            identical=self._reach.identical,
        )

    def _affordable(self, bound: counting.Bound) -> counting.Bound:
        """The bound itself, or the largest smaller one that can be covered; the rest is sampled.

        Raises:
            UsageError: If the budget would be large enough, but memory is not.
        """
        trials = self._trials
        if counting.count(bound) <= trials.limit:
            return bound
        if trials.wants_all:
            counting.require(bound, trials.limit)
        return counting.suggest(bound, max(1, trials.left // 2))  # the other half is for the sample

    @property
    def _over(self) -> bool:
        return not self._covered.complete or any(trial.code for trial in self._covered.trials)

    def _explore(self, copies: int, preemptions: int, kills: int, *, hidden: bool = False) -> None:
        reach, covered = self._reach, self._covered
        before = len(covered.trials), covered.planned, len(self._pruned)
        histories = Histories(Footprints(dependent, self._ambient))
        histories.hidden = hidden
        bound = Bound(tuple(_LETTERS[:copies]), preemptions, kills, reach.identical)
        tree = Interleavings(histories, bound, reach.redeliveries)
        waiting: dict[int, list[Node]] = {0: tree.roots()}
        while waiting and not self._over:
            cost = min(waiting)
            level = sorted(waiting.pop(cost), key=lambda node: node.schedule.simplicity)
            for node, entries in self._level(tree, level):
                for child in tree.children(node, entries):
                    waiting.setdefault(child.cost, []).append(child)
                known = sum(map(len, waiting.values()))
                if known > self._trials.limit:  # more than will ever be tried: do not even think of the others
                    covered.complete = False
                    covered.planned += known
                    return None
            if histories.hidden and len(self._pruned) > before[2] and not self._over:
                # What was left out may have been left out wrongly: begin again, and run everything.
                del covered.trials[before[0] :], self._pruned[before[2] :]
                covered.planned = before[1]
                return self._explore(copies, preemptions, kills, hidden=True)
        return None

    def _level(self, tree: Interleavings, level: Sequence[Node]) -> list[tuple[Node, Sequence[Entry]]]:
        """Run what must be run of one level; return all of it with what happened."""
        covered = self._covered
        covered.planned += len(level)
        covered.total = covered.planned
        self._trials.announce(_FAMILY, covered.planned)
        done: list[tuple[Node, Sequence[Entry]]] = []
        for node in level:  # in this order, not a driver's: what need not be run depends on what was run before it
            found = self._try(tree, node)
            if found is None:
                covered.complete = False
                break
            trial, entries = found
            covered.trials += [trial] if trial is not None else []
            done.append((node, entries))
        return done

    def _try(self, tree: Interleavings, node: Node) -> tuple[Trial | None, Sequence[Entry]] | None:
        foretold = tree.foretold(node)
        if foretold is not None:
            entries, twin = foretold
            self._pruned.append(Pruned(tree, node, self._by_schedule[twin]))
            return None, entries
        if self._trials.exhausted:
            return None
        trial = self._trials.run(_FAMILY, node.schedule)
        self._by_schedule[node.schedule] = trial
        entries = tree.observe(node, trial.run.trace)
        # A copy that ended earlier than foretold was delivered once more than this is about.
        return (None if trial.run.trace.repeats() else trial), entries

    def _sample(self, whole: counting.Bound) -> None:
        """Spend what is left of the budget on what cannot be covered."""
        from jobchaos.explore import strategies  # imports Hypothesis, so not before it is needed

        covered, reach, trials = self._covered, self._reach, self._trials
        letters = _LETTERS[: reach.copies]
        effects = {letter: self._effects["A" if reach.identical else letter] for letter in letters}
        before = len(covered.trials)

        def run(schedule: Schedule) -> tuple[bool, float] | None:
            if trials.exhausted:
                return None
            trial = self._by_schedule.get(schedule) or trials.run(_FAMILY, schedule)
            if not reach.identical and trial.run.trace.repeats():
                return False, 0.0  # a job that ended early was then delivered again, which nobody has promised to stand
            if schedule not in self._by_schedule:
                self._by_schedule[schedule] = trial
                covered.trials.append(trial)
            return bool(trial.code), float(reversals(trial.run.trace, dependent))

        strategies.sample(
            Space(effects=effects, dependent=dependent, kills=reach.kills, identical=reach.identical),
            run,
            key=reach.key,
            seed=reach.seed,
            limit=max(1, trials.left),
            first=predicted(effects, dependent),
        )
        total = counting.count(whole)
        covered.complete = False
        covered.sampled = len(covered.trials) - before, total
        covered.planned = max(total, covered.planned)


def _claim(bound: counting.Bound, *, identical: bool) -> str:
    copies = len(bound.steps)
    kills = f", <= {_counted(bound.kills, 'kill')}" if bound.kills else ""
    within = f"with <= {_counted(bound.preemptions, 'preemption')}{kills}"
    if identical:
        return f"<= {_counted(copies, 'copy')} {within}"
    return f"{copies} different jobs {within}, against all {math.factorial(copies)} serial orders"


def _counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
