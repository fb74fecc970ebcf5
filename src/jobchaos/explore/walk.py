"""Walk: one execution as it goes on."""

from __future__ import annotations

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.explore.entry import ENDS, Entry, Kind
from jobchaos.explore.footprints import EVERYTHING
from jobchaos.explore.histories import Histories, History, Key


class _Attempt:
    """Where an attempt stands.

    Attributes:
        last: The number of its latest entry.
        lasting: That of its latest lasting write; before the first one, of its delivery.
        count: How many entries it has.
        latest: By footprint, the count and the number of the latest entry that has it.
        locks: The locks that it has taken.
        writes: True if it has done a lasting write.
    """

    __slots__ = ("count", "last", "lasting", "latest", "locks", "writes")

    def __init__(self, number: int) -> None:
        self.last = self.lasting = number
        self.count = 0
        self.writes = False
        self.latest: dict[int, tuple[int, int]] = {}
        self.locks: tuple[Touch, ...] = ()

    def fork(self) -> _Attempt:
        other = _Attempt(self.last)
        other.lasting, other.count, other.writes, other.locks = self.lasting, self.count, self.writes, self.locks
        other.latest = self.latest.copy()
        return other


class Walk:
    """One execution, entry by entry.

    Args:
        histories: Gives the numbers.
    """

    def __init__(self, histories: Histories) -> None:
        self.entries: list[Entry] = []
        self.attempts: dict[str, int] = {}
        """By copy: its latest attempt. Copies that have not begun are not there."""
        self.alive: set[str] = set()
        self.finished: set[str] = set()
        self._histories = histories
        self._by_name: dict[tuple[str, int], _Attempt] = {}

    def fork(self) -> Walk:
        """The same so far, to go on in another way."""
        other = Walk(self._histories)
        other.entries = self.entries.copy()
        other.attempts = self.attempts.copy()
        other.alive = self.alive.copy()
        other.finished = self.finished.copy()
        other._by_name = {name: attempt.fork() for name, attempt in self._by_name.items()}
        return other

    @property
    def history(self) -> History:
        """What all executions have in common that differ from this one by the order of independent entries."""
        return frozenset([attempt.last for attempt in self._by_name.values()])

    def last(self, copy: str) -> int:
        """The number of the latest entry of a copy's attempt."""
        return self._by_name[copy, self.attempts[copy]].last

    def leaves_anything(self, copy: str) -> bool:
        """True if a kill of a running copy, now, would leave a lasting write behind, or free a lock."""
        attempt = self._by_name[copy, self.attempts[copy]]
        return attempt.writes or bool(attempt.locks)

    def learn(self, copy: str, attempt: int, kind: Kind, effect: Effect | None) -> None:
        """Append an entry, numbered anew if need be, and remember that it follows the one before it."""
        state = self._by_name.get((copy, attempt))
        footprint = self._histories.footprints.of(kind, effect, state.locks if state else ())
        number = self._histories.number(self._key(copy, attempt, kind, footprint), effect, footprint)
        entry = Entry(copy, attempt, kind, effect, number, footprint)
        if kind is Kind.EFFECT:
            self._histories.applied.add(number)
        if state is not None and kind not in (Kind.KILL, Kind.TIME):
            self._histories.follows(state.last, entry)
        self.append(entry)

    def learn_block(self, copy: str, attempt: int, awaited: Effect | None) -> None:
        """Append that an attempt has to wait before an effect; None for one that never comes through."""
        number = footprint = 0
        self._histories.hidden = self._histories.hidden or awaited is None or not awaited.locks
        if awaited is not None:
            footprint = self._histories.footprints.of(Kind.EFFECT, awaited, ())
            key = self._key(copy, attempt, Kind.EFFECT, footprint)
            number = self._histories.number(key, awaited, footprint)
            self._histories.blocked.add(number)
        self.append(Entry(copy, attempt, Kind.BLOCK, awaited, number, footprint))

    def recall(self, copy: str, attempt: int, known: Entry) -> Kind | None:
        """Append what follows an entry, if it was seen with this past before, and tell what it is."""
        histories = self._histories
        number = histories.numbers.get(self._key(copy, attempt, known.kind, known.footprint))
        if number is None:
            return None
        entry = histories.entries[number]
        if entry.footprint != known.footprint:
            return None  # with this past, it has turned out otherwise
        if number in histories.blocked:
            if number in histories.applied:
                return None  # both was seen: the lock is one that no effect tells of
            entry = entry._replace(kind=Kind.BLOCK)
        self.append(entry)
        return entry.kind

    def append(self, entry: Entry) -> None:
        """Append an entry that is known."""
        self.entries.append(entry)
        copy, attempt, kind, effect, number, footprint = entry
        if kind is Kind.BLOCK:
            return
        state = self._by_name.get((copy, attempt))
        if state is None:
            state = self._by_name[copy, attempt] = _Attempt(number)
        state.last = number
        state.count += 1
        state.latest[footprint] = state.count, number
        if effect is None:
            if kind is not Kind.TIME:
                self._comes_or_goes(copy, attempt, kind)
            return
        if effect.locks:
            taken = [lock for lock in effect.locks if lock.mode is Mode.WRITE and lock not in state.locks]
            state.locks = (*state.locks, *taken)
        if effect.durable:
            state.lasting, state.writes = number, True

    def _comes_or_goes(self, copy: str, attempt: int, kind: Kind) -> None:
        self.attempts[copy] = attempt
        if kind in ENDS:
            self.alive.discard(copy)
        else:
            self.alive.add(copy)
        if kind is Kind.FINISH:
            self.finished.add(copy)

    def _key(self, copy: str, attempt: int, kind: Kind, footprint: int) -> Key:
        mine = self._by_name.get((copy, attempt))
        past: list[int] = []
        conflicting = None if footprint == EVERYTHING else self._histories.footprints.conflicting(footprint)
        for other in self._by_name.values():
            if other is mine:
                continue
            if conflicting is None:
                past.append(other.last)
            elif not conflicting.isdisjoint(other.latest):
                past.append(max([latest for print_, latest in other.latest.items() if print_ in conflicting])[1])
        # Of a dead attempt only counts what it has left behind: not what it looked at since its last lasting write.
        before = 0 if mine is None else mine.lasting if kind is Kind.KILL else mine.last
        return Key(copy, attempt, kind, before, frozenset(past))
