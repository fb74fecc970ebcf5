from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.diff import Change, Diff, table_changes
from jobchaos.core.snapshot import Row, Table

_KEYED = Table(("id", "sent"), (), key=("id",))
_LOOSE = Table(("id", "sent"), ())


def changes(expected: list[Row], actual: list[Row], table: Table = _KEYED) -> list[Change]:
    return table_changes(
        "app.db", "users", [(repr(row), row) for row in expected], [(repr(row), row) for row in actual], table
    )


def test_an_extra_row_tells_how_many_are_there_and_how_many_should_be() -> None:
    assert changes([(1, 0)], [(1, 0), (1, 0), (1, 0)]) == [
        Change("app.db", "users", {"id": 1, "sent": 0}, count=3, expected=1, before={})
    ]
    assert changes([], [(1, 0)])[0].kind == "extra"


def test_a_missing_row_tells_how_many_are_there_and_how_many_should_be() -> None:
    (change,) = changes([(1, 0), (1, 0), (1, 0)], [(1, 0)])
    assert (change.count, change.expected, change.kind) == (1, 3, "missing")
    assert change.row == {"id": 1, "sent": 0}


def test_rows_of_one_key_are_paired_and_show_what_they_were() -> None:
    (change,) = changes([(1, 0), (2, 0)], [(2, 0), (1, 5)])
    assert (change.kind, change.row, change.before) == ("changed", {"id": 1, "sent": 5}, {"sent": 0})
    assert (change.count, change.expected) == (1, 1)


def test_a_change_of_type_alone_is_a_change() -> None:
    (change,) = changes([(1, 0)], [(1, False)])
    assert change.before == {"sent": 0}
    assert change.row["sent"] is False


def test_cells_that_do_not_equal_themselves_are_not_shown_as_changed() -> None:
    table = Table(("id", "price", "sent"), (), key=("id",))
    (change,) = changes([(1, float("nan"), 0)], [(1, float("nan"), 1)], table)
    assert change.before == {"sent": 0}


def test_without_a_key_a_changed_row_is_one_missing_and_one_extra() -> None:
    assert [change.kind for change in changes([(1, 0)], [(1, 1)], _LOOSE)] == ["missing", "extra"]


def test_rows_that_differ_by_more_than_one_are_not_paired() -> None:
    found = changes([(1, 0), (1, 0)], [(1, 1)])
    assert [(change.kind, change.count, change.expected) for change in found] == [("missing", 0, 2), ("extra", 1, 0)]


def test_rows_alike_to_the_eye_but_not_by_color_are_not_called_changed() -> None:
    found = table_changes("app.db", "users", [("x", (1, 0))], [("y", (1, 0))], _KEYED)
    assert [change.kind for change in found] == ["missing", "extra"]


def test_changed_comes_before_missing_before_extra() -> None:
    found = changes([(1, 0), (2, 0)], [(3, 0), (1, 1)])
    assert [change.kind for change in found] == ["changed", "missing", "extra"]


_ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8)


@given(_ROWS, _ROWS, st.sampled_from([_KEYED, _LOOSE]))
def test_applying_the_changes_to_the_expected_rows_gives_the_actual_ones(
    expected: list[Row], actual: list[Row], table: Table
) -> None:
    rows = Counter(expected)
    for change in changes(expected, actual, table):
        row = tuple(change.row.values())
        if change.kind == "changed":
            rows[row] += 1
            rows[tuple({**change.row, **change.before}.values())] -= 1
        else:
            assert rows[row] == change.expected
            rows[row] = change.count
    assert +rows == Counter(actual)


def test_a_diff_is_true_when_something_changed() -> None:
    assert not Diff((), ("app.db.users",))
    assert Diff(tuple(changes([], [(1, 0)])), ())
