"""Short ways to write states, and to compare them."""

from __future__ import annotations

from jobchaos.core.compare import Comparison, Fresh, Ignore, compare
from jobchaos.core.snapshot import Row, Snapshot, State, Table
from jobchaos.core.volatile import Volatile

S, T, U = (bytes([letter]) * 16 for letter in b"stu")
FRESH = Fresh((S, T, U))


def state(**tables: Table) -> State:
    return {"app.db": Snapshot(tables)}


def compared(
    expected: State,
    actual: State,
    *,
    initial: State | None = None,
    fresh: Fresh = FRESH,
    volatile: tuple[str, ...] = (),
    seen: Volatile | None = None,
    ignore: tuple[str, ...] = (),
) -> Comparison:
    """Volatile columns are written `table.column`; `seen` is what clean runs have shown, in place of them."""
    return compare(
        expected,
        actual,
        initial={} if initial is None else initial,
        expected_fresh=fresh,
        actual_fresh=fresh,
        volatile=seen or Volatile(frozenset(("app.db", *name.split(".", 1)) for name in volatile)),  # type: ignore[misc]
        ignore=Ignore.parse(ignore),
    )


def kinds(comparison: Comparison) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in comparison.diff.changes]


def users(*rows: Row) -> Table:
    return Table(("id", "token"), rows, key=("id",))


def mail(*rows: Row) -> Table:
    return Table(("to", "body"), rows)
