"""PostgresStore: one PostgreSQL database."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobchaos.core.snapshot import Snapshot
from jobchaos.errors import LossError, UsageError
from jobchaos.stores.base import BaseStore
from jobchaos.stores.postgres_contents import PostgresContents
from jobchaos.stores.postgres_definitions import Definitions, PostgresDefinitions
from jobchaos.stores.postgres_layout import LaidTable, PostgresLayout, quoted, read_layout
from jobchaos.stores.postgres_marks import LARGE, Mark, PostgresMarks, literal
from jobchaos.stores.postgres_rights import require_rights
from jobchaos.stores.postgres_session import ChangedError, PostgresSession, code_of
from jobchaos.stores.postgres_shadow import PostgresShadow, Wanted
from jobchaos.stores.postgres_views import Contents, PostgresViews
from jobchaos.stores.safety import require_test_database
from jobchaos.stores.written_tables import UNKNOWN, WrittenTables

_OLDEST = 120_000
_FORBIDDEN = "42501"


@dataclass(frozen=True, slots=True)
class Held:
    """A state of the database.

    Attributes:
        marks: What each table held.
        sequences: Each sequence's last value, and whether that was handed out.
        shapes: What each table looked like.
        definitions: What the database was made of; None if that was not asked, as nothing had changed it.
        views: What its materialized views held; likewise.
    """

    marks: Mapping[str, Mark]
    sequences: Mapping[str, tuple[int, bool]]
    shapes: Mapping[str, tuple[object, ...]]
    definitions: Definitions | None = None
    views: Contents | None = None


class PostgresStore(BaseStore):
    """Captures a database in a schema beside the user's, and restores the tables that differ.

    Args:
        dsn: What libpq takes, credentials included.
        allow: Databases that may be restored although they are not plainly test resources.
        name: Short name for reports; empty takes the database's name.
        resource: Its resource path; empty asks the server.
    """

    holds_slowly = True
    """True: to hold a state, the server copies each table that has changed."""

    def __init__(self, dsn: str, *, allow: Sequence[str] = (), name: str = "", resource: str = "") -> None:
        self._session = session = PostgresSession(dsn)
        self._resource = resource or f"sql:postgresql://{session.host}:{session.port}/{session.database}"
        super().__init__(name or session.database)
        self._allow = tuple(allow)
        self._shadow = PostgresShadow(session.run)
        self._layout = PostgresLayout()
        self._definitions = PostgresDefinitions(session.run)
        self._defined: Definitions | None = None
        self._original: Definitions | None = None
        self._views = PostgresViews(session.run, session.database)
        self._original_views: Contents = {}
        self._marks = PostgresMarks(session.run, self._shadow)
        self._contents = PostgresContents(session.run, self._marks)
        self._initial: Held | None = None
        self._versions: dict[tuple[str, Mark, object], int] = {}
        self._snapshots: dict[tuple[object, ...], Snapshot] = {}
        self._written = WrittenTables()
        self._schema_moves = False

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource or resource.startswith(f"{self._resource}/")

    def announce(self, resource: str) -> None:
        """See `Store.announce`: tables that are about to be written to."""
        name = resource[len(self._resource) + 1 :].partition("/")[0]
        if name in self._layout.tables:
            self._written.add([name])
        elif name == UNKNOWN:
            self._written.add(self._layout.tables)
            self._schema_moves = True
            with contextlib.suppress(UsageError):  # the job itself has locked a table: then its schema is only watched
                self._original = self._defined = self._definitions.read()
                self._original_views = self._views.read()

    def capture(self) -> None:
        """See `Store.capture`."""
        session = self._session
        require_test_database(session.database, session.host, self._allow)
        if session.version < _OLDEST:
            raise UsageError(
                f"{self.name} is on PostgreSQL {session.version // 10_000}, which is too old: 12 or newer is needed"
            )
        session.prepare()
        require_rights(session.run, self.name)
        session.loss = (
            "What the job has changed by then stays so, but for what a transaction of its own has undone; the rows "
            f"before it are in the schema {self._shadow.name}, unless the server has crashed, until the next check of "
            "the database clears it away."
        )
        self._marks.begin()
        self._layout = read_layout(session.run)
        self._open_shadow()
        self._initial = self.hold()

    def restore(self) -> None:
        """See `Store.restore`."""
        if self._initial is not None:
            self.put_back(self._initial)

    def hold(self) -> Held:
        """See `Returnable.hold`."""
        held = self._look()
        new = [
            self._layout.tables[name]
            for name, mark in held.marks.items()
            if mark.rows and self._key(name, mark) not in self._versions
        ]
        if new:
            version = len(self._versions) + 1
            large = [table.name for table in new if held.marks[table.name].rows >= LARGE]
            self._shadow.keep(new, version, large)
            if self._initial is None:
                self._marks.remember(new, held.marks, version)
            self._versions.update({self._key(table.name, held.marks[table.name]): version for table in new})
        return held

    def put_back(self, held: Held) -> None:
        """See `Returnable.put_back`."""
        if self._schema_moves:
            self._roll_back_prepared()
        now = self._look()
        wanted = held.definitions or self._original
        if now.shapes != held.shapes if wanted is None else now.definitions != wanted:
            self._restore_schema(held)
            now = self._look()
        differing = [self._layout.tables[name] for name, mark in held.marks.items() if now.marks[name] != mark]
        if differing:
            self._put_back(self._shadow.closure(differing, self._layout), held, now.marks)
        moved = [name for name, value in held.sequences.items() if now.sequences.get(name, value) != value]
        if moved:
            values = [(name, *held.sequences[name]) for name in moved]
            calls = [f"setval({literal(name)}, {last}, {called})" for name, last, called in values]
            self._session.run(f"SELECT {', '.join(calls)}")
        if self._schema_moves:
            self._views.put_back(self._original_views if held.views is None else held.views)

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        held = self._look()
        key = tuple(sorted((name, mark, held.shapes[name]) for name, mark in held.marks.items()))
        known = self._snapshots.get(key)
        if known is None:
            initial = self._initial.marks if self._initial else {}
            tables = self._layout.tables
            known = self._snapshots[key] = Snapshot(
                {
                    name: self._contents.read(tables[name], mark, at_first=initial.get(name) == mark)
                    for name, mark, _ in key
                }
            )
        return known

    def close(self) -> None:
        """See `Store.close`."""
        try:
            self._shadow.drop()
        finally:
            self._session.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open_shadow(self) -> None:
        try:
            self._shadow.open()
        except Exception as error:
            if code_of(error) != _FORBIDDEN:
                raise
            raise UsageError(
                f"{self.name}: the job's user may not create a schema, in which a check keeps a copy of the tables "
                f"({str(error).strip()}). Grant it: GRANT CREATE ON DATABASE {quoted(self._session.database)} TO "
                "CURRENT_USER."
            ) from error

    def _put_back(self, tables: Sequence[LaidTable], held: Held, now: Mapping[str, Mark]) -> None:
        initial = self._initial.marks if self._initial else {}
        wanted = []
        for table in tables:
            mark = held.marks[table.name]
            version = self._versions.get(self._key(table.name, mark))
            changes = self._marks.changes.get(table.name) if mark == initial.get(table.name) else None
            wanted.append(Wanted(table, version, now[table.name].rows, changes))
            if self._session.came_back and mark.rows != self._shadow.rows(table, version):
                raise LossError(f"the server of {self.name} has crashed. {self._session.loss}", "JC913")
        try:
            self._shadow.put_back(wanted)
        except Exception as error:
            if code_of(error) != _FORBIDDEN:
                raise
            kept = self._shadow.keep_for_good([table.name for table in tables])
            raise UsageError(
                f"{self.name}: the job's user may not bring back what the job has changed ({str(error).strip()}). The "
                f"rows as they were are kept: {kept}. Let the test connect as the owner of all tables."
            ) from error

    def _roll_back_prepared(self) -> None:
        """End the job's transactions that were prepared, and outlive it with their locks."""
        ours = f"database = current_database() AND prepared > {self._marks.since}"
        for (gid,) in self._session.run(f"SELECT gid FROM pg_prepared_xacts WHERE {ours}"):
            self._session.run(f"ROLLBACK PREPARED {literal(gid)}")

    def _key(self, name: str, mark: Mark) -> tuple[str, Mark, object]:
        return name, mark, self._layout.tables[name].columns

    def _restore_schema(self, held: Held) -> None:
        """Make everything again as it was. If that cannot be, drop tables that are new, and say what is gone.

        Raises:
            LossError: If a table was dropped or altered for good.
        """
        wanted = held.definitions or self._original
        if wanted is not None and self._redefined(wanted):
            self._read_schema()
            self._written.add(self._layout.tables)
            return
        now = self._layout.tables
        lost = [name for name, shape in held.shapes.items() if name not in now or now[name].shape != shape]
        new = [table.path for name, table in now.items() if name not in held.shapes]
        if new:
            self._session.run(f"DROP TABLE {', '.join(new)} CASCADE")
            self._read_schema()
        if lost or wanted is not None:
            changed = "dropped or altered " + ", ".join(sorted(lost)) if lost else "changed the schema"
            kept = self._shadow.keep_for_good(lost or list(held.shapes))
            raise LossError(
                f"the job has {changed} in {self.name}, which a check cannot undo. The rows as they were are kept: "
                f"{kept}. Migrate before the job runs, and let it leave the schema alone.",
                "JC914",
            )

    def _redefined(self, wanted: Definitions) -> bool:
        try:
            return self._definitions.restore(wanted)
        except UsageError:
            raise
        except Exception:  # noqa: BLE001 - what the server refuses cannot be made again
            return False

    def _read_schema(self) -> None:
        if self._original is None:
            self._layout = read_layout(self._session.run)
            return
        now = self._definitions.read()
        if now is not self._defined:
            self._defined, self._layout = now, read_layout(self._session.run)

    def _look(self) -> Held:
        """What tells the present state from others. One query, unless the schema may have changed."""
        if self._schema_moves:
            self._read_schema()
        try:
            return self._held()
        except ChangedError:
            self._schema_moves = True
            self._layout = read_layout(self._session.run)
            self._written.add(self._layout.tables)
            return self._held()

    def _held(self) -> Held:
        known, tables, sequences = self._initial, self._layout.tables, self._layout.sequences
        names = self._written.for_next_look(tables, known.marks if known else ())
        found, values = self._marks.read([tables[name] for name in names], sequences)
        marks = found
        if known is not None:
            self._written.add(name for name, mark in found.items() if mark != known.marks.get(name))
            marks = {name: found[name] if name in found else known.marks[name] for name in tables}
        views = self._views.read() if self._schema_moves else None
        return Held(marks, values, {name: table.shape for name, table in tables.items()}, self._defined, views)
