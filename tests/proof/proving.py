"""Runs jobs for real: the exploration's schedules, and all there are."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from unittest import mock

from jobchaos.baseline import CLEAN, establish
from jobchaos.core.compare import Ignore
from jobchaos.core.job import Job
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.snapshot import Snapshot
from jobchaos.crashes import Crashes
from jobchaos.explore.footprints import Ambient, Footprints
from jobchaos.explore.histories import Histories
from jobchaos.explore.independence import dependent
from jobchaos.explore.interleavings import Bound, Interleavings, Node
from jobchaos.oracle.judge import Judge, Judgement
from jobchaos.oracle.rules import Rules
from jobchaos.trials import Trials
from jobchaos.workbench import Workbench

Digests = frozenset[tuple[str, str]]
_UNLIMITED = 10**6


@dataclass(frozen=True)
class Explored:
    """What some schedules have left.

    Attributes:
        runs: How many were run.
        states: The digests of all stores, in each of the different states.
    """

    runs: int
    states: frozenset[Digests]


class Prover:
    """Runs two copies of a job, or two jobs, with real databases, files and servers.

    Args:
        bench: Where they run.
        identical: True for copies.
    """

    def __init__(self, bench: Workbench, *, identical: bool) -> None:
        self._identical = identical
        self._bench = bench
        self._runner = bench.runner()
        self._clean = establish("job", self._runner, bench.world, lines=False, look_closer=None)
        self._settings = Settings()

    @property
    def steps(self) -> int:
        """How many effects one clean run has."""
        return len(self._clean.run.trace.effects())

    def reduced(self, preemptions: int, kills: int) -> Explored:
        """The schedules that an exploration of two copies runs."""
        histories = Histories(Footprints(dependent, Ambient(memory=self._clean.uses_memory)))
        tree = Interleavings(
            histories, Bound(("A", "B"), preemptions, kills, self._identical), self._settings.attempts - 1
        )
        waiting: dict[int, list[Node]] = {0: tree.roots()}
        states: list[Digests] = []
        while waiting:
            for node in waiting.pop(min(waiting)):
                foretold = tree.foretold(node)
                if foretold is None:
                    run = self._runner.run(node.schedule)
                    states.append(self._digests(run.state))
                    entries = tree.observe(node, run.trace)
                else:
                    entries = foretold[0]
                for child in tree.children(node, entries):
                    waiting.setdefault(child.cost, []).append(child)
        return Explored(len(states), frozenset(states))

    def everything(self, preemptions: int, kills: int) -> Explored:
        """All schedules of two copies, whatever their effects are."""
        runs = [self._runner.run(schedule) for schedule in _schedules(self.steps, preemptions, kills)]
        meant = [self._digests(run.state) for run in runs if run.carried_out and not run.trace.repeats()]
        return Explored(len(meant), frozenset(meant))

    def fixpoint(self, longest: int, *, after_errors: bool = False) -> Explored:
        """The states that crashes leave, before redelivery, as the graph of all states has them.

        Args:
            longest: Crashes in sequence. Jobs that do something else each time have no end of states.
            after_errors: Whether states count to which the graph has come first by an attempt that raised.
        """
        limits = Settings(budget=_UNLIMITED).limits
        trials = Trials("job", self._runner, self._indifferent(), limits=limits, listener=_nobody, driver=None)
        crashes = Crashes(trials, self._bench.world)
        with mock.patch("jobchaos.crashes._LONGEST", longest):
            crashes.cover()
        nodes = [node for node in crashes._nodes if after_errors or all(run.fault is Fault.KILL for run in node.path)]
        return Explored(trials.runs, frozenset(self._digests(node.state) for node in nodes))

    def crash_sequences(self, longest: int) -> Explored:
        """The states that all sequences of kills leave."""
        paths: list[tuple[Run, ...]] = [()]
        states: list[Digests] = []
        runs = 0
        for _ in range(longest):
            longer = []
            for path in paths:
                for steps in range(self.steps + 1):
                    killed = Run("A", steps, Fault.KILL)
                    run = self._runner.attempt_from(None, path, killed)
                    runs += 1
                    if run.carried_out:
                        states.append(self._digests(run.state))
                        longer.append((*path, killed))
            paths = longer
        return Explored(runs, frozenset(states))

    def _digests(self, state: Mapping[str, Snapshot]) -> Digests:
        everything = {**self._bench.world.initial, **state}
        return frozenset((name, snapshot.digest) for name, snapshot in everything.items())

    def _indifferent(self) -> Judge:
        world = self._bench.world
        rules = Rules(world.initial, self._clean.volatile, Ignore.parse(()), world.ledgers)
        return _Indifferent(self._clean.run, rules)


class _Indifferent(Judge):
    """Finds nothing wrong with anything, so that all states are visited."""

    def judge(self, run: RunResult, family: str) -> Judgement:
        return dataclasses.replace(super().judge(run, family), code="")


@contextlib.contextmanager
def proving(*jobs: Callable[[], None]) -> Iterator[Prover]:
    """Prepare to run a job, or two."""
    bench = Workbench([Job.of(job, (), {}) for job in jobs], (), Settings())
    with bench.opened():
        yield Prover(bench, identical=len(jobs) == 1)
        bench.runner().run(CLEAN)


def _schedules(steps: int, preemptions: int, kills: int) -> Iterator[Schedule]:
    """All schedules of two copies; who begins is A."""

    def onwards(runs: tuple[Run, ...], copy: str, preemptions: int, kills: int) -> Iterator[tuple[Run, ...]]:
        """A copy moves, and then anything else happens."""
        yield from extended((*runs, Run(copy)), preemptions, kills)
        for at in range(steps if preemptions else 0):
            yield from extended((*runs, Run(copy, at)), preemptions - 1, kills)
        for at in range(steps + 1 if kills else 0):
            yield from extended((*runs, Run(copy, at, Fault.KILL)), preemptions, kills - 1)

    def extended(runs: tuple[Run, ...], preemptions: int, kills: int) -> Iterator[tuple[Run, ...]]:
        if {run.copy: run.steps for run in runs} == {"A": None, "B": None}:
            yield runs  # all others end like one of these
        for copy in "AB":
            if _may_move(copy, runs):
                yield from onwards(runs, copy, preemptions, kills)

    return map(Schedule, onwards((), "A", preemptions, kills))


def _may_move(copy: str, runs: tuple[Run, ...]) -> bool:
    """A copy that was let go has finished, unless the other one was paused then, and may have held a lock."""
    if runs[-1].copy == copy and runs[-1].fault is None:
        return False
    gone = [at for at, run in enumerate(runs) if run == Run(copy)]
    if not gone:
        return True
    others = [run for run in runs[: gone[-1]] if run.copy != copy]
    return len(gone) < 2 and bool(others) and others[-1].steps is not None and others[-1].fault is None


def _nobody(_event: object) -> None:
    """Listen to nothing."""
