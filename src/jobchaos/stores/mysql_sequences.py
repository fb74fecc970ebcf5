"""The sequences of a MariaDB database: which number each gives next, and how it is made to give that one again.

A server takes numbers from a sequence in blocks, and keeps in memory how far it has come; the sequence itself only
tells where the next block begins. To know the number it has to be drawn, and the sequence to be started there again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jobchaos.stores.mysql_layout import quoted

Numbers = Mapping[str, int]
"""The next number of each sequence, by its name."""


class MySQLSequences:
    """Those of one database.

    Args:
        run: Runs statements on it and returns rows, if there are any.
    """

    def __init__(self, run: Callable[[str], Sequence[tuple[Any, ...]]]) -> None:
        self._run = run
        self._known: dict[str, int] = {}

    def read(self, names: Iterable[str]) -> Numbers:
        """The number that each of these sequences gives next."""
        now = self._blocks(names)
        for name in now:
            if now[name] != self._known.get(name):
                ((number,),) = self._run(f"SELECT NEXTVAL({quoted(name)})")
                self._restart(name, int(number))
        return {name: self._known[name] for name in now}

    def put_back(self, wanted: Numbers) -> None:
        """Let sequences go on with these numbers."""
        now = self._blocks(wanted)
        for name, number in wanted.items():
            if now[name] != number:
                self._restart(name, number)

    def _blocks(self, names: Iterable[str]) -> dict[str, int]:
        parts = [f"SELECT {number}, next_not_cached_value FROM {quoted(name)}" for number, name in enumerate(names)]
        found = self._run(" UNION ALL ".join(parts)) if parts else ()
        return {name: int(found[number][1]) for number, name in enumerate(names)}

    def _restart(self, name: str, number: int) -> None:
        self._run(f"ALTER SEQUENCE {quoted(name)} RESTART {number}")
        self._known[name] = number
