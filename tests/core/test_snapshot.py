from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.snapshot import Cell, Row, Snapshot, Table


def of(*rows: Row, columns: tuple[str, ...] = ("a",)) -> Snapshot:
    return Snapshot({"t": Table(columns, rows)})


def test_order_of_rows_and_tables_does_not_matter() -> None:
    one = Snapshot({"t": Table(("a",), ((1,), (2,))), "u": Table((), ())})
    other = Snapshot({"u": Table((), ()), "t": Table(("a",), ((2,), (1,)))})
    assert one.same_as(other)
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "other",
    [
        of((1,), (1,)),
        of((1,)),
        of((1,), (2,), columns=("b",)),
        of(),
        Snapshot({}),
        Snapshot({"u": Table(("a",), ((1,), (2,)))}),
        Snapshot({"t": Table(("a",), ((1,), (2,))), "u": Table((), ())}),
    ],
)
def test_other_content_is_told_apart(other: Snapshot) -> None:
    snapshot = of((1,), (2,))
    assert not snapshot.same_as(other)
    assert snapshot.digest != other.digest


@pytest.mark.parametrize("cell", [1.0, True, "1", b"1", None])
def test_cells_of_different_types_are_never_the_same(cell: Cell) -> None:
    assert not of((1,)).same_as(of((cell,)))
    assert of((1,)).digest != of((cell,)).digest


def test_cells_that_do_not_equal_themselves_and_lone_surrogates_are_comparable() -> None:
    row: Row = (float("nan"), "\ud800")
    twin: Row = (float("nan"), "\ud800")
    assert of(row, columns=("a", "b")).same_as(of(twin, columns=("a", "b")))
    assert of(row, columns=("a", "b")).digest == of(twin, columns=("a", "b")).digest


class Label(str):
    __slots__ = ()


def test_cells_of_a_subclass_are_comparable_and_not_the_same_as_those_of_the_class() -> None:
    assert of((Label("a"),), (1,)).same_as(of((1,), (Label("a"),)))
    assert of((Label("a"),)).same_as(of((Label("a"),)))
    assert not of((Label("a"),)).same_as(of(("a",)))


def test_comparing_leaves_no_trace_in_a_snapshot() -> None:
    compared = of((1,))
    assert compared.same_as(of((1,)))
    assert compared == of((1,))
    assert repr(compared) == repr(of((1,)))
    assert pickle.loads(pickle.dumps(compared)) == compared


_CELLS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "", "1", b"1"])
_ROWS = st.lists(st.tuples(_CELLS), max_size=3)


@given(_ROWS, _ROWS)
def test_the_digest_tells_the_same_as_the_comparison(one: list[Row], other: list[Row]) -> None:
    assert of(*one).same_as(of(*other)) == (of(*one).digest == of(*other).digest)
