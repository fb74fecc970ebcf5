"""That states share rows spares work, and changes no comparison."""

from __future__ import annotations

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.compare import Fresh, Ignore, compare
from jobchaos.core.snapshot import Row, Snapshot, State, Table
from jobchaos.core.unmoved import unmoved
from jobchaos.core.volatile import Volatile

_ROWS: list[Row] = [(number, text) for number in (1, 2, True, 1.0, 0.0, -0.0) for text in ("a", "b", "6ab8f1c2d3")]
_some = st.lists(st.sampled_from(_ROWS), max_size=5)
Rows = tuple[list[Row], list[Row], list[Row]]
_KEYS = st.sampled_from([(), ("id",)])


def state(rows: list[Row], key: tuple[str, ...], others: list[Row]) -> State:
    users = Table(("id", "name"), tuple(rows), key, frozenset(key))
    return {"db": Snapshot({"users": users, "log": Table(("id", "name"), tuple(others), ("id",))})}


def copied(one: State) -> State:
    """The same with objects of its own."""

    def table(it: Table) -> Table:
        return Table(it.columns, tuple((*row,) for row in it.rows), it.key, it.generated, it.references)

    return {
        store: Snapshot({name: table(it) for name, it in snapshot.tables.items()}) for store, snapshot in one.items()
    }


@given(_KEYS, st.tuples(_some, _some, _some), st.tuples(_some, _some, _some))
def test_a_comparison_does_not_depend_on_it(key: tuple[str, ...], rows: Rows, log: Rows) -> None:
    states = [state(mine, key, others) for mine, others in zip(rows, log, strict=True)]

    def told(expected: State, actual: State, initial: State) -> object:
        fresh = Fresh((bytes.fromhex("6ab8f1c2d3"),))
        comparison = compare(
            expected,
            actual,
            initial=initial,
            expected_fresh=fresh,
            actual_fresh=fresh,
            volatile=Volatile(),
            ignore=Ignore(()),
        )
        return comparison.diff, comparison.renamed

    with mock.patch("jobchaos.core.reading.unmoved", return_value={}):
        expected = told(*states)
    assert told(*states) == told(*map(copied, states)) == expected
    one, other = (each["db"] for each in states[:2])
    assert one.same_as(other) == copied(states[0])["db"].same_as(copied(states[1])["db"])
    assert one.same_as(other) == (one.digest == other.digest)


def test_only_rows_that_all_states_hold_are_left_out() -> None:
    rows: list[Row] = [(1, "a"), (2, "b"), (3, "c")]
    one, two, three = rows
    states = [state(rows, ("id",), []) for rows in ([one, two], [two, three], [two])]
    assert unmoved(*states)["db", "users"] == frozenset({id(two)})
    assert not unmoved(*states, state([two, two], ("id",), []))["db", "users"]
    assert not unmoved(*(state([two], (), []) for _ in range(2)))["db", "users"], "without a key, all rows count"


def test_cells_without_a_hash_are_compared_as_ever() -> None:
    def listed(*numbers: int) -> Snapshot:
        return Snapshot({"t": Table(("a",), tuple(([number],) for number in numbers))})  # type: ignore[misc]

    assert listed(1, 2).same_as(listed(2, 1))
    assert not listed(1, 2).same_as(listed(1, 3))
