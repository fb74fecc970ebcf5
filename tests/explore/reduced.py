"""The exploration of modelled jobs: what `jobchaos.overlaps` does, with the model instead of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Trace
from jobchaos.explore.entry import Entry, Kind
from jobchaos.explore.footprints import Ambient, Footprints
from jobchaos.explore.histories import Histories
from jobchaos.explore.independence import dependent
from jobchaos.explore.interleavings import Bound, Interleavings, Node
from jobchaos.explore.observing import observe
from tests.explore.model import Machine, Program, State, execute


@dataclass
class Reduced:
    """What came of an exploration.

    Attributes:
        planned: All schedules of the bound, but for those that are surely the same as one of them.
        run: Those that were run.
        states: What they have left.
        classes: How many executions are different, not counting the order of independent effects.
    """

    programs: dict[str, Program]
    bound: Bound
    planned: list[Schedule] = field(default_factory=list)
    run: list[Schedule] = field(default_factory=list)
    states: set[State] = field(default_factory=set)
    foretold: list[tuple[Schedule, tuple[Entry, ...]]] = field(default_factory=list)
    classes: int = 0

    def __post_init__(self) -> None:
        tree = Interleavings(Histories(Footprints(dependent, Ambient())), self.bound, Machine({}).redeliveries)
        waiting: dict[int, list[Node]] = {0: list(tree.roots())}
        while waiting:
            for node in sorted(waiting.pop(min(waiting)), key=lambda node: node.schedule.simplicity):
                for child in tree.children(node, self._entries(tree, node)):
                    waiting.setdefault(child.cost, []).append(child)
        self.classes = tree.classes

    def _entries(self, tree: Interleavings, node: Node) -> tuple[Entry, ...]:
        self.planned.append(node.schedule)
        foretold = tree.foretold(node)
        if foretold is not None:
            self.foretold.append((node.schedule, foretold[0]))
            return foretold[0]
        machine = Machine(self.programs)
        trace = execute(machine, node.schedule)
        self.run.append(node.schedule)
        self.states.add(machine.state)
        return tree.observe(node, trace)


def explore(programs: dict[str, Program], preemptions: int, kills: int, *, identical: bool) -> Reduced:
    """Explore within a bound."""
    return Reduced(programs, Bound(tuple(sorted(programs)), preemptions, kills, identical))


def happened(entries: tuple[Entry, ...]) -> list[tuple[str, int, str, str]]:
    """What an execution does: who, in which attempt, what. Waiting changes nothing."""
    return [
        (entry.copy, entry.attempt, entry.kind.name, entry.effect.label if entry.effect else "")
        for entry in entries
        if entry.kind is not Kind.BLOCK
    ]


def observed(trace: Trace) -> list[tuple[str, int, str, str]]:
    """The same of a trace."""
    return happened(tuple(observe(Histories(Footprints(dependent, Ambient())), trace).entries))
