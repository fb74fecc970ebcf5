"""Leases: keys that a worker has set because they were not there, and that expire."""

from __future__ import annotations

from collections.abc import Mapping

from jobchaos.core.ports import Worker
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_polling import takes
from jobchaos.probes.redis_unit import Unit

_MILLISECOND = 10**6


class Leases:
    """Who holds which lock."""

    def __init__(self) -> None:
        self._holders: dict[str, Worker] = {}

    def concern(self, worker: Worker, unit: Unit) -> bool:
        """True if a unit may take, renew or free a lock of the worker's."""
        return any(map(takes, unit.commands)) or any(self._holders.get(path) is worker for path in unit.paths)

    def update(self, worker: Worker, unit: Unit, link: Link, reply: object, lefts: Mapping[str, int]) -> None:
        """A unit is done.

        Args:
            worker: Whose it was.
            unit: What it was.
            link: Where.
            reply: What the server has answered.
            lefts: Milliseconds that each key has left; -1 if it does not expire, -2 if there is none.
        """
        replies = reply if unit.is_transaction and isinstance(reply, list) else [reply]
        for command, answer in zip(unit.commands, replies, strict=False):
            if takes(command) and answer not in (None, 0):
                self._holders[link.path(command[1])] = worker
        for path in unit.paths:
            left = lefts.get(path, -1)
            if self._holders.get(path) is not worker:
                continue
            if left >= 0:
                worker.lease(f"lease:{path}", max(1, left) * _MILLISECOND)
            elif left == _GONE:
                worker.release(f"lease:{path}")
                del self._holders[path]

    def forget(self, worker: Worker) -> None:
        """An attempt has ended."""
        self._holders = {path: holder for path, holder in self._holders.items() if holder is not worker}


_GONE = -2
