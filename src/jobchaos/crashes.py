"""Crashes: all sequences of crashes and redeliveries of one message, as a graph of the states that they leave.

Its nodes are states of everything that survives a worker; an edge is one attempt from there, killed after one of its
lasting writes, or completed. What an attempt does depends on the state alone, so if no new node turns up, all finite
sequences are covered, however long (a fixpoint). A job that reads the time, or which attempt it is, may do something
else in the same state, and is followed for a few attempts only.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobchaos.core.compare import Fresh
from jobchaos.core.effect import Effect
from jobchaos.core.finding import Finding
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.core.snapshot import State
from jobchaos.core.trace import Happening
from jobchaos.engine.runner import Look
from jobchaos.engine.world import Saved, World
from jobchaos.errors import UsageError
from jobchaos.explore.gaps import gaps, spread
from jobchaos.explore.plan import terminations
from jobchaos.oracle import wording
from jobchaos.trials import Covered, Trial, Trials

_FAMILY = "crash"
_RUNS_A_DEATH = 2
"""An attempt that dies, and its redelivery."""
_LOOKING_DEPTH = 2
"""Crashes in sequence that are tried if attempts look at more than the state."""
_TOLD_APART = 3
"""Crashes in sequence up to which states are told apart that differ only in what is left out on request. A counter of
deliveries would never come to an end."""
_LONGEST = 50
"""Attempts in sequence after which a graph that has not closed is given up."""
_GROWING = 4
"""Crashes at the same place, each of which leaves more than the one before, until we call it growth without end."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A state, and one way to it.

    Attributes:
        path: The attempts that have led to it from the initial state.
        saved: How to get back to it; None if its stores cannot, and the path must be repeated.
        state: Its content.
        fresh: The random values handed out on the way.
        writes: For each attempt of the path, how many lasting writes it did.
        hidden: See `World.hidden`.
    """

    path: tuple[Run, ...]
    saved: Saved | None
    state: State
    fresh: Fresh
    writes: tuple[int, ...]
    hidden: tuple[object, ...]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return sum(len(table.rows) for snapshot in self.state.values() for table in snapshot.tables.values())


@dataclass(frozen=True, slots=True)
class _Edge:
    """A death to try.

    Attributes:
        node: From where.
        segment: How.
        seen: The state that an attempt that was not killed has shown there; None if it could not be looked at.
    """

    node: _Node
    segment: Run
    seen: _Seen | None


_Seen = tuple[State, Fresh, tuple[object, ...]]


class Crashes:
    """Follows one job through crashes.

    Args:
        trials: Runs and judges.
        world: The state.
        foreseeable: Whether a death leaves what an attempt that lives on shows at that moment.
    """

    def __init__(self, trials: Trials, world: World, *, foreseeable: bool = True) -> None:
        self._foreseeable = foreseeable
        self._trials = trials
        self._world = world
        self._nodes: list[_Node] = []
        self._redelivered: dict[tuple[Run, ...], Trial] = {}
        self._returnable = not world.not_returnable
        self._cleans_up = False
        """True once an attempt has done anything after it was told to stop: then its death is no kill."""

    def cover(self) -> Covered:
        """Breadth first until no new state turns up, something is wrong, or the budget is spent."""
        covered = Covered(_FAMILY, explored=True)
        self._trials.begin()
        remembered = self._trials.remembered(_FAMILY)
        level = self._survey(self._initial())[1]
        depth = 0
        while level and covered.complete and not covered.findings and not any(trial.code for trial in covered.trials):
            depth += 1
            covered.total = len(level)
            covered.planned += len(level)
            self._trials.announce(_FAMILY, covered.planned)
            tried, following = self._level(level)
            covered.trials += tried
            covered.complete = len(tried) == len(level) and (depth < _LONGEST or not following)
            covered.findings += self._growing()
            level = following if depth < self._longest else []
        covered.add_remembered(remembered)
        covered.claim = self._claim(depth)
        return covered

    def _initial(self) -> _Node:
        self._world.restore()
        return self._node((), self._world.snapshot(), Fresh(()), ())

    def _node(self, path: tuple[Run, ...], state: State, fresh: Fresh, writes: tuple[int, ...]) -> _Node:
        """The present state as a node."""
        saved = self._world.save() if self._returnable else None
        return _Node(path, saved, {**self._world.initial, **state}, fresh, writes, self._world.hidden)

    def _level(self, level: Sequence[_Edge]) -> tuple[list[Trial], list[_Edge]]:
        """Try all deaths from some nodes; return what comes of redeliveries, and the deaths from new nodes."""
        tried: list[Trial] = []
        following: list[_Edge] = []
        affordable = _RUNS_A_DEATH * len(level) <= self._trials.left
        # In this order, not a driver's: which way leads to a state first decides what follows.
        for edge in level if affordable else spread(level):
            if self._trials.exhausted:
                break
            trial, edges = self._die(edge)
            tried.append(trial)
            following += edges
        return tried, following

    def _die(self, edge: _Edge) -> tuple[Trial, list[_Edge]]:
        """Die once, and be redelivered; return how that ends, and where to die next."""
        path = (*edge.node.path, edge.segment)
        if edge.seen is not None and (known := self._known(*edge.seen, len(path))) is not None:
            return self._as_known(known, Schedule((*path, Run("A")))), []
        run = self._attempt(edge.node, edge.segment)
        if run.stuck or not run.carried_out:
            return self._trials.run(_FAMILY, Schedule((*path, Run("A")))), []
        effects = _latest(edge.node, run)
        self._cleans_up = self._cleans_up or _cleans_up(edge.node, run)
        return self._redeliver(self._node(path, run.state, run.fresh, (*edge.node.writes, _lasting(effects))))

    def _redeliver(self, node: _Node) -> tuple[Trial, list[_Edge]]:
        schedule = Schedule((*node.path, Run("A")))
        known = self._known(node.state, node.fresh, node.hidden, len(node.path))
        if known is not None:
            return self._as_known(known, schedule), []
        run, edges = self._survey(node)
        final = None if run.completed else self._node((*node.path, Run("A")), run.state, run.fresh, (*node.writes, 0))
        # If it has raised, or waits, what follows depends on how often it is redelivered.
        trials = self._trials
        trial = trials.judged(_FAMILY, schedule, run) if run.completed else trials.run(_FAMILY, schedule)
        self._nodes.append(node)
        self._redelivered[node.path] = trial
        if trial.code:
            return trial, []
        if final is not None and len(final.path) <= self._longest:
            trial, further = self._redeliver(final)
            edges += further
        return trial, edges

    def _as_known(self, node: _Node, schedule: Schedule) -> Trial:
        """How a schedule ends that leads to a node which was redelivered before."""
        return self._trials.told(_FAMILY, dataclasses.replace(self._redelivered[node.path], schedule=schedule))

    def _survey(self, node: _Node) -> tuple[RunResult, list[_Edge]]:
        """One attempt from a node that is left alone, and the deaths that it could have died."""
        seen: dict[int, _Seen] = {}

        def look(steps: int, upcoming: Effect) -> None:
            if upcoming.durable and self._foreseeable:
                chunks = (
                    node.fresh.chunks if node.saved is not None else ()
                ) + self._trials.runner.conditions.fresh().chunks
                try:
                    seen[steps] = self._world.snapshot(), Fresh(chunks), self._world.hidden
                except UsageError:  # the job has locked it: then deaths themselves will show
                    self._foreseeable = False

        run = self._attempt(node, Run("A"), look)
        effects = _latest(node, run)
        if run.completed and self._foreseeable:
            seen[len(effects)] = run.state, run.fresh, self._world.hidden
        # Before its first lasting write, an attempt that dies has left nothing. That much is tried once.
        kills = gaps(effects) if not node.path else gaps(effects)[1:]
        edges = [_Edge(node, Run("A", at, Fault.KILL), seen.get(at) if node.path else None) for at in kills]
        if self._cleans_up or not node.path:
            edges += [_Edge(node, segment, None) for segment in terminations(effects)]
        return run, edges

    @property
    def _longest(self) -> int:
        """How long a sequence of attempts may get that is followed further."""
        return _LOOKING_DEPTH if self._trials.looks_at else _LONGEST

    def _attempt(self, node: _Node, segment: Run, look: Look | None = None) -> RunResult:
        """One attempt from a node."""
        run = self._trials.runner.attempt_from(node.saved, node.path, segment, look)
        if node.saved is not None:
            run = dataclasses.replace(run, fresh=Fresh(node.fresh.chunks + run.fresh.chunks))
        self._trials.note(run)
        return run

    def _known(self, state: State, fresh: Fresh, hidden: tuple[object, ...], attempts: int) -> _Node | None:
        """The node with this state. If attempts look at more than the state, after as many of them."""
        for node in self._nodes:
            if node.hidden != hidden or (self._trials.looks_at and len(node.path) != attempts):
                continue
            if self._trials.judge.same((node.state, node.fresh), (state, fresh), wholly=attempts <= _TOLD_APART):
                return node
        return None

    def _growing(self) -> list[Finding]:
        """A crash at one place, over and over, that leaves more and more behind."""
        sizes = {node.path: node.size for node in self._nodes}
        for node in self._nodes:
            if len(set(node.writes[-_GROWING:])) > 1 or len(node.path) < _GROWING:
                continue
            way = [sizes[node.path[: len(node.path) - back]] for back in range(_GROWING - 1, -1, -1)]
            if all(one < other for one, other in itertools.pairwise(way)):
                trial = self._trials.run(_FAMILY, Schedule((*node.path, Run("A"))))
                text = f"{self._trials.job} leaves more behind with every crash after the same write, without end"
                return [
                    Finding("JC305", text, schedule=trial.schedule, trace=trial.run.trace, fix=wording.fix("JC305"))
                ]
        return []

    def _claim(self, depth: int) -> str:
        if self._trials.looks_at:
            why = " and ".join(self._trials.looks_at)
            return f"<= {depth} crashes in sequence (not any number, as the job looks at {why})"
        apart = f"; after {_TOLD_APART} of them, what is left out is taken to decide nothing"
        states = f"fixpoint of {len(self._nodes)} states{apart if self._trials.judge.leaves_out else ''}"
        return f"any number of sequential crashes and redeliveries ({states})"


def _latest(node: _Node, run: RunResult) -> list[Effect]:
    """The effects of the attempt that was run from a node."""
    return [
        event.effect
        for event in run.trace.events
        if event.happening is Happening.EFFECT and event.effect is not None and event.attempt == len(node.path) + 1
    ]


def _lasting(effects: Iterable[Effect]) -> int:
    return sum(effect.durable for effect in effects)


def _cleans_up(node: _Node, run: RunResult) -> bool:
    """True if the attempt that was run from a node did anything after it was told to stop."""
    happenings = [event.happening for event in run.trace.events if event.attempt == len(node.path) + 1]
    return Happening.TERMINATED in happenings and happenings.index(Happening.TERMINATED) < len(happenings) - 2
