"""Polling: a worker that asks for a lock again and again waits for it.

Redis has no call that waits for a key to go away. Who wants a lock tries, sleeps and tries again, as redis-py's own
`Lock` does. Virtual time would fly past every limit while the holder is paused, who would then seem to have been slow.
So after some tries in vain the worker parks until somebody else has moved, or the key expires.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.core.expiry import ANCHOR
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.redis_protocol import Command, name_of
from jobchaos.probes.redis_unit import Unit

_TRIES = 2  # who tries once, and once more, may mean to go without
_DOUBLINGS = 16  # of a second: then more than half a day has passed
_GONE = -2
_SECOND = 10**9
_MILLISECOND = 10**6


@dataclass(slots=True)
class Tries:
    """What a worker has tried in vain.

    Attributes:
        count: How often in a row.
        expires: Virtual nanoseconds at which the key will be gone; None if it stays.
    """

    count: int = 0
    expires: int | None = None


class Polling:
    """Lets workers wait.

    Args:
        control: The check.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._tries: dict[tuple[Worker, str], Tries] = {}

    def arrive(self, worker: Worker, unit: Unit) -> Generator[Sequence[Command], list[Any], None]:
        """A worker is about to ask for something: wait first, if it has tried before."""
        if not takes(unit.commands[0]) or worker.dead:
            return
        tries = self._tries.get((worker, unit.paths[0]))
        if tries is None or tries.count < _TRIES:
            return
        deadline = self._deadline(tries)
        while worker.wait(unit.paths[0], deadline):
            (at,) = yield [(b"PEXPIRETIME", unit.keys[0])]
            if at == _GONE or (at >= ANCHOR and at - ANCHOR <= self._control.clock.elapsed() // _MILLISECOND):
                break
        worker.unblock()

    def answered(self, worker: Worker, unit: Unit, reply: Any, lefts: Mapping[str, int]) -> None:
        """It has been told whether it has got it."""
        if unit.is_transaction or not takes(unit.commands[0]):
            return
        path = unit.paths[0]
        if reply not in (None, 0):
            self._tries.pop((worker, path), None)
            return
        tries = self._tries.setdefault((worker, path), Tries())
        tries.count += 1
        left = lefts.get(path, -1)
        tries.expires = None if left < 0 else self._control.clock.now() + (left + 1) * _MILLISECOND

    def forget(self, worker: Worker) -> None:
        """An attempt has ended."""
        self._tries = {key: tries for key, tries in self._tries.items() if key[0] is not worker}

    def _deadline(self, tries: Tries) -> int | None:
        """The key may stay for ever; but who polls it may give up in the end. So time passes, more each time."""
        if tries.count > _DOUBLINGS and tries.expires is None:
            return None
        later = self._control.clock.now() + (_SECOND << min(tries.count - _TRIES, _DOUBLINGS))
        return later if tries.expires is None else min(later, tries.expires)


def takes(command: Command) -> bool:
    """True if it sets a key only if that is not there."""
    name = name_of(command)
    return len(command) > 2 and (name == "SETNX" or (name == "SET" and b"NX" in map(bytes.upper, command[3:])))
