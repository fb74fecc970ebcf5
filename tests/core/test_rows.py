"""Rows that are kept as what differs from others are those rows, and compare like them."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.compare import Comparison, Fresh, compare
from jobchaos.core.ignore import Ignore
from jobchaos.core.rows import Base, Row, Rows, near, rows_since, told, worked_out
from jobchaos.core.snapshot import Snapshot, State, Table
from jobchaos.core.unmoved import moved, unmoved
from jobchaos.core.volatile import Volatile

_CELLS = [1, 2, True, 1.0, 0.0, -0.0, None, "1", b"1", float("nan")]
_TEXTS = ["a", "b", "6ab8f1c2d3"]
_some = st.lists(st.tuples(st.sampled_from(_CELLS), st.sampled_from(_TEXTS)), max_size=12)
_of_few_types = st.lists(st.tuples(st.sampled_from([1, 2, 0.5, None, "1", b"1"]), st.sampled_from(_TEXTS)), max_size=12)
_VOLATILE = [
    Volatile(),
    Volatile(frozenset({("db", "users", "name")})),
    Volatile(frozenset({("db", "users", "name")}), lengths=frozenset({("db", "users", "name")})),
]
_RULES = [Ignore(()), Ignore.parse(("users.name",)), Ignore.parse(("users.id",))]


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with mock.patch("jobchaos.core.rows._BLOCK", 2):
        yield


def exactly(rows: object) -> Counter[bytes]:
    assert isinstance(rows, tuple | list | Rows)
    return Counter(map(told, rows))


@given(_some, _some)
def test_they_are_the_rows_that_they_are_made_from(before: list[Row], after: list[Row]) -> None:
    rows = rows_since(Base(tuple(before)), tuple(after))
    assert exactly(rows) == exactly(after)
    assert len(rows) == len(after)
    assert not exactly(rows.gone) & exactly(rows.new), "what has stayed is neither"
    assert exactly(pickle.loads(pickle.dumps(rows))) == exactly(after)
    for row in (*before, *after):
        assert (row in rows) == (told(row) in exactly(after))


@given(_some, _some, _some)
def test_they_are_the_same_if_all_their_rows_are(before: list[Row], one: list[Row], other: list[Row]) -> None:
    base = Base(tuple(before))
    mine, theirs = rows_since(base, tuple(one)), rows_since(base, tuple(other))
    assert near(mine, theirs)
    assert mine.same_as(theirs) == (exactly(one) == exactly(other))
    snapshots = [Snapshot({"t": Table(("a", "b"), rows)}) for rows in (mine, theirs, tuple(one), tuple(other))]
    assert (
        snapshots[0].same_as(snapshots[1]) == snapshots[2].same_as(snapshots[3]) == snapshots[0].same_as(snapshots[3])
    )
    assert snapshots[0].digest == snapshots[2].digest


_KEYS: list[tuple[str, ...]] = [(), ("id",)]


@given(
    st.tuples(_of_few_types, _of_few_types, _of_few_types),
    st.sampled_from(_KEYS),
    st.booleans(),
    st.sampled_from(_VOLATILE),
    st.sampled_from(_RULES),
)
def test_a_comparison_does_not_depend_on_how_they_are_kept(
    states: tuple[list[Row], list[Row], list[Row]],
    key: tuple[str, ...],
    made_up: bool,
    volatile: Volatile,
    rule: Ignore,
) -> None:
    if key:
        states = tuple(list({told(row[:1]): row for row in rows}.values()) for rows in states)  # type: ignore[assignment]
    base = Base(tuple(states[2]))

    def state(rows: Rows | tuple[Row, ...]) -> State:
        return {"db": Snapshot({"users": Table(("id", "name"), rows, key, frozenset(key if made_up else ()))})}

    def result(expected: State, actual: State, initial: State) -> object:
        fresh = Fresh((bytes.fromhex("6ab8f1c2d3"),))
        told_by: Comparison = compare(
            expected,
            actual,
            initial=initial,
            expected_fresh=fresh,
            actual_fresh=fresh,
            volatile=volatile,
            ignore=rule,
        )
        # Of rows that are alike but for what may be renamed, any stands for all, and not all are counted.
        changes = Counter((change.kind, change.count - change.expected) for change in told_by.diff.changes)
        return changes, told_by.diff.equal

    kept = [state(rows_since(base, tuple(rows))) for rows in states]
    assert result(*kept) == result(*(state(tuple(rows)) for rows in states))


def test_of_large_tables_only_what_differs_is_looked_at() -> None:
    base = Base(tuple((number, "old") for number in range(10)))
    first, last = base.rows[0], base.rows[-1]
    tables = [Table(("id", "text"), Rows(base, *change)) for change in ((), ([first], [(0, "new")]), ([last],))]
    states: list[State] = [{"db": Snapshot({"t": table})} for table in tables]
    still = unmoved(*states)["db", "t"]
    assert [set(moved(table, still)) for table in tables] == [{first, last}, {(0, "new"), last}, {first}]


def test_what_has_been_worked_out_from_what_was_there_at_first_is_kept() -> None:
    base = Base(((1,), (2,)))
    made = mock.Mock(side_effect=len)
    assert [worked_out(Rows(base), "size", made), worked_out(Rows(base), "size", made)] == [2, 2]
    assert made.call_count == 1
    assert worked_out(Rows(base, [(1,)]), "size", made) == 1
    assert worked_out(((1,),), "size", made) == 1


def test_rows_at_the_ends_that_are_the_same_are_not_looked_at_one_by_one() -> None:
    old = tuple((number,) for number in range(100))
    with mock.patch("jobchaos.core.rows.told", side_effect=told) as asked:
        rows = rows_since(Base(old), (*old[:50], (-1,), *old[50:]))
    assert (rows.gone, rows.new) == ((), ((-1,),))
    assert asked.call_count < 10
