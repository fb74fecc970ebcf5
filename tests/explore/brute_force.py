"""All executions within a bound, by trying every choice at every step. Knows nothing of jobchaos.explore."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from jobchaos.core.trace import Happening
from tests.explore.model import Machine, Program


@dataclass(frozen=True)
class _Turn:
    """Who runs now, who runs after that if nobody interferes, and what may still be spent."""

    copy: str
    queue: tuple[str, ...]
    is_asked: bool
    preemptions: int
    kills: int


@dataclass(frozen=True)
class BruteForce:
    """Tries everything.

    Attributes:
        programs: Each copy's job.
        identical: The copies are the same message: which of those that have not begun goes first does not matter.
    """

    programs: dict[str, Program]
    identical: bool

    def executions(self, preemptions: int, kills: int) -> Iterator[Machine]:
        """The worlds that all schedules leave: at most so many pauses of a running copy for another one, and kills."""
        machine = Machine(self.programs)
        for copy in self._choices(machine):
            yield from self._chosen(machine.fork(), copy, preemptions, kills)

    def _choices(self, machine: Machine) -> list[str]:
        open_ = [copy for copy in sorted(self.programs) if copy not in machine.finished]
        fresh = [copy for copy in open_ if copy not in machine.deliveries]
        return [copy for copy in open_ if not (self.identical and copy in fresh[1:])]

    def _chosen(self, machine: Machine, copy: str, preemptions: int, kills: int) -> Iterator[Machine]:
        """A schedule names a copy, and then all others that have not finished."""
        machine.unasked.clear()
        rest = tuple(other for other in sorted(self.programs) if other != copy and other not in machine.finished)
        return self._turn(machine, _Turn(copy, rest, True, preemptions, kills))

    def _turn(self, machine: Machine, turn: _Turn) -> Iterator[Machine]:
        """All ways on from the moment at which a copy gets its turn: it moves once at least."""
        if not turn.is_asked:
            machine.unasked[turn.copy] = machine.unasked.get(turn.copy, 0) + (turn.copy not in machine.running)
        machine.deliver(turn.copy)
        before = len(machine.events)
        while (happening := machine.advance(turn.copy)) is Happening.EFFECT:
            yield from self._interfere(machine, turn)
        following = _by_default(machine, turn)
        if following is None:
            yield machine
            return
        if len(machine.events) > before:
            costs = int(happening is Happening.RAISED)
            waiting = turn.copy if happening is Happening.BLOCKED else ""
            for copy in self._choices(machine):
                if copy not in (following.copy, waiting) and costs <= turn.preemptions:
                    yield from self._chosen(machine.fork(), copy, turn.preemptions - costs, turn.kills)
        yield from self._turn(machine, following)

    def _interfere(self, machine: Machine, turn: _Turn) -> Iterator[Machine]:
        """Pause the running copy for another one, unless that is its end anyway; or kill it and go on with any."""
        if turn.preemptions and machine.upcoming(turn.copy) is not None:
            for copy in self._choices(machine):
                if copy != turn.copy:
                    yield from self._chosen(machine.fork(), copy, turn.preemptions - 1, turn.kills)
        if turn.kills:
            killed = machine.fork()
            killed.kill(turn.copy)
            for copy in self._choices(killed):
                yield from self._chosen(killed.fork(), copy, turn.preemptions, turn.kills - 1)


def _by_default(machine: Machine, turn: _Turn) -> _Turn | None:
    """Who comes next if nobody interferes; copies that still wait for the lock do not."""
    queue, is_asked = list(turn.queue), turn.is_asked
    while True:
        if not queue:
            queue, is_asked = machine.open(), False
            if not queue:
                return None
        copy = queue.pop(0)
        attempt = machine.running.get(copy)
        if copy not in machine.finished and not (attempt and attempt.is_blocked and machine.holder not in ("", copy)):
            return replace(turn, copy=copy, queue=tuple(queue), is_asked=is_asked)
