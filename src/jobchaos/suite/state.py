"""Surroundings: the state around the tasks of one test run, looked at and never restored."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from jobchaos.core.address import Address
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Store
from jobchaos.core.snapshot import Cell, Snapshot, State, Table
from jobchaos.engine.world import World
from jobchaos.probes.sqlalchemy_statements import PREFIX, engine_of
from jobchaos.stores.automatic import store_for
from jobchaos.stores.django_tables import databases
from jobchaos.stores.looking import RedisKeys, ServerTables
from jobchaos.stores.sqlalchemy_tables import SQLAlchemyTables

_TEMPORARY = re.compile(
    r"(?:/[^/\s'\"]+)*/pytest-of-[^/\s'\"]+/pytest-\d+/(?:popen-gw\d+/)?[^/\s'\"]+|/tmp/tmp\w{6,10}(?=/|$)"
)
"""What `tmp_path` and `tempfile` call anew in each run."""


class Surroundings:
    """Implements `Registry` for one run of one test.

    Args:
        idempotent: Says of a foreign effect that it means the same when it is repeated.
    """

    def __init__(self, idempotent: Callable[[Foreign], bool]) -> None:
        self._world = World(_store)
        self._idempotent = idempotent
        self._answers: dict[tuple[str, ...], bytes] = {}
        self.contradicted = False
        """Whether a fake has answered a repeated request otherwise than before, which no far end does that knows it."""
        for store in databases():
            self._world.add(store)

    def announce(self, resource: str) -> None:
        """See `Registry.announce`. What cannot be captured is not compared."""
        with contextlib.suppress(Exception):  # whatever a database or file system says: the suite must not suffer
            self._world.announce(resource)

    def record(self, foreign: Foreign) -> None:
        """See `Registry.record`."""
        if foreign.identity is not None and foreign.answer:
            known = self._answers.setdefault(foreign.identity, foreign.answer)
            self.contradicted = self.contradicted or known != foreign.answer
        if not self._idempotent(foreign):
            self._world.record(foreign)

    def knows(self, foreign: Foreign) -> bool:
        """See `Registry.knows`."""
        return self._world.knows(foreign)

    def look(self) -> State | None:
        """The present state; None if it cannot be read, as inside a transaction that has failed."""
        try:
            state = self._world.snapshot()
        except Exception:  # noqa: BLE001 - likewise
            return None
        return {name: _without_folders(snapshot) for name, snapshot in state.items()}

    def close(self) -> None:
        """Let go of everything."""
        self._world.close()


def _store(resource: str) -> Store | None:
    if resource.startswith(PREFIX):
        known = engine_of(resource)
        return None if known is None else SQLAlchemyTables(*known)
    if isinstance(resource, Address):
        return RedisKeys(resource) if resource.startswith("redis:") else ServerTables(resource)
    # Everything may be captured, as nothing is ever restored.
    return store_for(resource, ("/",))


def _without_folders(snapshot: Snapshot) -> Snapshot:
    tables = snapshot.tables
    if not any("path" in table.columns for table in tables.values()):
        return snapshot
    return Snapshot({name: _shortened(table) for name, table in tables.items()})


def _shortened(table: Table) -> Table:
    rows = tuple(tuple(map(_short, row)) for row in table.rows)
    return Table(table.columns, rows, table.key, table.generated, table.references)


def _short(cell: Cell) -> Cell:
    return _TEMPORARY.sub("<tmp>", cell) if isinstance(cell, str) else cell
