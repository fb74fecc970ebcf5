"""WrittenTables: which tables of a database have to be read to tell its state."""

from __future__ import annotations

from collections.abc import Collection, Iterable

UNKNOWN = "@unknown"
"""Stands for tables that a statement may write to, and nobody knows which."""
_ALWAYS = 4  # looks at all tables, and not just at those that the job is known to write to


class WrittenTables:
    """Those that the job is known to write to; all in the first looks, and in ever fewer of the later ones.

    So the cost of a look grows with what the job touches, and a table that changes all the same (by a trigger that
    nobody knows of, by another program) is found.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._looks = 0

    def add(self, names: Iterable[str]) -> None:
        """These are written to."""
        self._names.update(names)

    def for_next_look(self, tables: Collection[str], known: Collection[str]) -> list[str]:
        """Which tables to look at now.

        Args:
            tables: All that there are.
            known: Those whose content at the beginning is known; empty at the beginning.
        """
        self._looks += 1
        if not known or self._looks <= _ALWAYS or self._looks & (self._looks - 1) == 0:
            return list(tables)
        return [name for name in tables if name in self._names or name not in known]
