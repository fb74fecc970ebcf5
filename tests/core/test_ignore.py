from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.ignore import TEMPORARY, Ignore, garbage
from jobchaos.core.snapshot import Row, Snapshot, State, Table
from jobchaos.errors import UsageError

ORDERS = Table(
    ("id", "user_id", "at"),
    ((1, 7, "now"), (2, 7, "then")),
    key=("id",),
    generated=frozenset({"id"}),
    references={"user_id": ("users", "id")},
)
MAIL = Table(("to", "body"), (("ann", "hello"),))
STATE: State = {
    "app.db": Snapshot({"orders": ORDERS, "users": Table(("id",), ((7,),))}),
    "mail": Snapshot({"mail": MAIL}),
}


@pytest.mark.parametrize("pattern", ["orders.at", "app.db.orders.at", " orders.at "])
def test_a_column_goes(pattern: str) -> None:
    left = Ignore.parse((pattern,)).apply(STATE)
    assert left["app.db"].tables["orders"] == Table(
        ("id", "user_id"),
        ((1, 7), (2, 7)),
        key=("id",),
        generated=frozenset({"id"}),
        references={"user_id": ("users", "id")},
    )
    assert left["mail"] == STATE["mail"]


def test_a_column_goes_with_all_that_is_said_about_it() -> None:
    table = Ignore.parse(("orders.id", "orders.user_id")).apply(STATE)["app.db"].tables["orders"]
    assert table == Table(("at",), (("now",), ("then",)))


def test_a_part_of_a_key_is_no_key() -> None:
    state = {"s": Snapshot({"t": Table(("a", "b"), ((1, 2),), key=("a", "b"))})}
    assert Ignore.parse(("t.b",)).apply(state)["s"].tables["t"].key == ()


@pytest.mark.parametrize("pattern", ["orders", "app.db.orders"])
def test_a_table_goes(pattern: str) -> None:
    assert list(Ignore.parse((pattern,)).apply(STATE)["app.db"].tables) == ["users"]


@pytest.mark.parametrize(("pattern", "left"), [("app.db", ["mail"]), ("mail", ["app.db"])])
def test_a_store_goes(pattern: str, left: list[str]) -> None:
    assert list(Ignore.parse((pattern,)).apply(STATE)) == left


@pytest.mark.parametrize("pattern", ["mail.body", "mail.mail.body"])
def test_a_ledger_s_column_goes_by_either_name(pattern: str) -> None:
    assert Ignore.parse((pattern,)).apply(STATE)["mail"].tables["mail"].columns == ("to",)


@pytest.mark.parametrize("pattern", ["", "  ", "a..b", ".a", "a.", "a. .b"])
def test_an_empty_name_is_an_error_that_shows_the_pattern(pattern: str) -> None:
    with pytest.raises(UsageError, match="has an empty name in it") as caught:
        Ignore.parse(("orders", pattern))
    assert repr(pattern.strip()) in str(caught.value)


def test_patterns_that_match_nothing_are_told() -> None:
    patterns = (
        "orders",
        "order",
        "orders.ad",
        "db.orders",
        "app.db",
        "app",
        "mail.body",
        "users.id",
        "app.db.users.id",
    )
    assert Ignore.parse(patterns).unused(STATE) == ("order", "orders.ad", "db.orders", "app")


_NAMES = st.sampled_from(["a", "b", "a.b", "c"])
_STATES = st.dictionaries(
    _NAMES,
    st.dictionaries(
        _NAMES, st.lists(_NAMES, unique=True, max_size=3).map(lambda names: Table(tuple(names), (tuple(names),)))
    ).map(Snapshot),
)


def _names(state: State) -> set[str]:
    found = set(state)
    for store, snapshot in state.items():
        for name, table in snapshot.tables.items():
            found |= {name, f"{store}.{name}"}
            found |= {f"{prefix}.{column}" for prefix in (name, f"{store}.{name}") for column in table.columns}
    return found


@given(_STATES, st.lists(st.sampled_from(["a", "b", "a.b", "a.b.c", "b.a.b", "c.c.c"]), max_size=3))
def test_what_is_ignored_is_gone_the_rest_is_as_it_was_and_once_is_enough(state: State, patterns: list[str]) -> None:
    ignore = Ignore.parse(tuple(patterns))
    left = ignore.apply(state)
    assert not _names(left) & set(patterns)
    assert ignore.apply(left) == left
    assert set(ignore.unused(state)) == set(patterns) - _names(state)
    if not _names(state) & set(patterns):
        assert left == state


def test_temporary_files_are_garbage_if_a_clean_run_leaves_none() -> None:
    def left(*rows: Row) -> State:
        return {"files": Snapshot({"files": Table(("path",), ()), TEMPORARY: Table(("path",), rows)})}

    assert garbage(left()) == (f"files.{TEMPORARY}",)
    assert garbage(left(("/tmp/tmp1",))) == garbage(STATE) == ()
    assert Ignore.parse(garbage(left())).apply(left(("/tmp/tmp1",)))["files"].tables.keys() == {"files"}


def test_garbage_is_told_from_what_is_left_out_on_request() -> None:
    left = garbage({"files": Snapshot({TEMPORARY: Table(("path",), ())})})
    ignore = Ignore.parse(("users.seen_at", *left))
    assert ignore.of_garbage == Ignore.parse(left) != ignore
    assert ignore.of_garbage.of_garbage == ignore.of_garbage
