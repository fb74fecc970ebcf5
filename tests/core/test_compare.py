from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.compare import Fresh, Ignore, compare
from jobchaos.core.diff import Change
from jobchaos.core.snapshot import Cell, Row, Snapshot, State, Table
from jobchaos.core.volatile import Volatile
from tests.core.states import S, T, U, compared, kinds, mail, state, users

NO_FRESH = Fresh(())


def test_equal_states_are_equal_and_say_what_was_compared() -> None:
    expected = {**state(users=users((1, "x"), (2, "y")), jobs=Table((), ())), "mail": Snapshot({"mail": mail()})}
    actual = {**state(users=users((2, "y"), (1, "x")), jobs=Table((), ())), "mail": Snapshot({"mail": mail()})}
    comparison = compared(expected, actual)
    assert not comparison.diff
    assert comparison.diff.equal == ("app.db.users", "app.db.jobs", "mail.mail")
    assert comparison.renamed == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (1, "1"), ("1", b"1"), (0, None), (0.0, -0.0), ("", None), ("a", "A")],
)
def test_values_of_different_types_differ(one: Cell, other: Cell) -> None:
    comparison = compared(state(users=users((1, one))), state(users=users((1, other))))
    assert kinds(comparison) == [("users", "changed")]


def test_cells_that_do_not_equal_themselves_are_equal() -> None:
    one, other = (state(users=users((1, float("nan")), (2, "x")), log=Table(("a",), ((end,),))) for end in (1, 2))
    assert not compared(state(users=users((1, float("nan")))), state(users=users((1, float("nan"))))).diff
    assert compared(one, other).diff.equal == ("app.db.users",)


def test_rows_are_counted() -> None:
    log = Table(("text",), (("sent",), ("sent",)))
    (change,) = compared(state(log=log), state(log=Table(("text",), (("sent",),)))).diff.changes
    assert (change.kind, change.count, change.expected) == ("missing", 1, 2)


def test_the_only_row_of_a_table_without_a_key_has_changed() -> None:
    def counter(*rows: Row) -> State:
        return state(counter=Table(("name", "n"), rows))

    (change,) = compared(counter(("runs", 1)), counter(("runs", 2))).diff.changes
    assert (change.kind, change.before, change.row) == ("changed", {"n": 1}, {"name": "runs", "n": 2})
    assert kinds(compared(counter(("a", 1)), counter(("a", 2), ("a", 1)))) == [("counter", "extra")]


def test_another_mail_is_not_the_one_that_is_missing() -> None:
    one, other = ({"mail": Snapshot({"mail": mail(("ann", text))})} for text in ("Hello", "Goodbye"))
    assert sorted(kinds(compared(one, other))) == [("mail", "extra"), ("mail", "missing")]


def test_a_table_or_store_that_is_missing_is_an_empty_one() -> None:
    there, gone = state(users=users((1, "x")), jobs=users()), state(users=users((1, "x")))
    assert not compared(there, gone).diff
    assert not compared(gone, there).diff
    assert kinds(compared(gone, {})) == [("users", "missing")]
    assert kinds(compared({}, gone)) == [("users", "extra")]


def test_other_columns_make_all_rows_differ() -> None:
    comparison = compared(state(t=Table(("a",), ((1,),))), state(t=Table(("a", "b"), ((1, 2),))))
    assert [(change.kind, dict(change.row)) for change in comparison.diff.changes] == [
        ("missing", {"a": 1}),
        ("extra", {"a": 1, "b": 2}),
    ]


# Random values


@pytest.mark.parametrize(
    "written",
    [bytes.hex, lambda chunk: chunk, lambda chunk: f"use {chunk.hex()}!", lambda chunk: int.from_bytes(chunk, "big"),
     lambda chunk: str(uuid.UUID(bytes=chunk, version=4))],
)  # fmt: skip
def test_another_random_value_in_the_same_place_is_the_same(written: object) -> None:
    assert callable(written)
    expected = state(users=users((1, written(S)), (2, written(T))))
    comparison = compared(expected, state(users=users((1, written(U)), (2, written(S)))))
    assert not comparison.diff
    assert comparison.renamed == ("app.db.users.token",)
    assert kinds(compared(expected, state(users=users((1, written(U)), (2, written(U)))))) != []


def test_the_text_around_a_random_value_counts() -> None:
    comparison = compared(
        state(users=users((1, f"pay 1 with {S.hex()}"))), state(users=users((1, f"pay 2 with {T.hex()}")))
    )
    assert kinds(comparison) == [("users", "changed")]


def test_what_was_never_handed_out_is_constant() -> None:
    assert compared(state(users=users((1, S.hex()))), state(users=users((1, T.hex()))), fresh=NO_FRESH).diff


def test_each_side_has_random_values_of_its_own() -> None:
    arguments = {"initial": {}, "volatile": Volatile(), "ignore": Ignore(())}
    one, other = state(users=users((1, S.hex()))), state(users=users((1, T.hex())))
    assert not compare(one, other, expected_fresh=Fresh((S,)), actual_fresh=Fresh((T,)), **arguments).diff  # type: ignore[arg-type]
    assert compare(one, other, expected_fresh=Fresh((S,)), actual_fresh=Fresh((S,)), **arguments).diff  # type: ignore[arg-type]


def signed_up(first: bytes, second: bytes, *sent: tuple[str, bytes]) -> State:
    letters = mail(*((to, f"Confirm: https://example.com/{token.hex()}") for to, token in sent))
    return {
        **state(users=users((1, uuid.UUID(bytes=first).hex), (2, uuid.UUID(bytes=second).hex))),
        "mail": Snapshot({"mail": letters}),
    }


def test_a_mail_must_carry_the_token_that_is_stored() -> None:
    expected = signed_up(S, T, ("ann", S), ("bob", T))
    assert not compared(expected, signed_up(T, U, ("bob", U), ("ann", T))).diff
    for wrong in (
        signed_up(S, T, ("ann", U), ("bob", T)),
        signed_up(S, T, ("ann", T), ("bob", S)),
        signed_up(S, S, ("ann", S), ("bob", S)),
    ):
        assert compared(expected, wrong).diff


def test_only_the_mail_that_is_wrong_is_told() -> None:
    expected = signed_up(S, T, ("ann", S), ("bob", T))
    stale = compared(expected, signed_up(S, T, ("ann", U), ("bob", T)))
    assert kinds(stale) == [("mail", "missing"), ("mail", "extra")]
    twice = compared(expected, signed_up(U, T, ("ann", U), ("bob", T), ("bob", T)))
    assert [(change.row["to"], change.count, change.expected) for change in twice.diff.changes] == [("bob", 2, 1)]
    assert twice.diff.equal == ("app.db.users",)


def test_a_changed_row_tells_only_what_is_more_than_a_renaming() -> None:
    table = Table(("id", "token", "sent"), (), key=("id",))
    expected = state(users=Table(table.columns, ((1, S.hex(), 0), (2, T.hex(), 0)), key=("id",)))
    actual = state(users=Table(table.columns, ((1, T.hex(), 0), (2, S.hex(), 1)), key=("id",)))
    (change,) = compared(expected, actual).diff.changes
    assert change.before in ({"sent": 0}, {"sent": 0, "token": T.hex()})
    assert change.row["id"] == 2


# Generated keys


def payments(*rows: Row) -> Table:
    return Table(("id", "amount"), rows, key=("id",), generated=frozenset({"id"}))


def lines(*rows: Row) -> Table:
    return Table(("payment_id", "text"), rows, references={"payment_id": ("payments", "id")})


def test_generated_keys_are_renamed_along_foreign_keys() -> None:
    expected = state(payments=payments((1, 5), (2, 7)), lines=lines((1, "tea"), (2, "cake")))
    actual = state(payments=payments((4, 7), (3, 5)), lines=lines((4, "cake"), (3, "tea")))
    comparison = compared(expected, actual)
    assert not comparison.diff
    assert comparison.renamed == ("app.db.lines.payment_id", "app.db.payments.id")


def test_a_line_of_another_payment_differs() -> None:
    expected = state(payments=payments((1, 5), (2, 7)), lines=lines((1, "tea"), (2, "cake")))
    actual = state(payments=payments((1, 5), (2, 7)), lines=lines((2, "tea"), (1, "cake")))
    assert {change.table for change in compared(expected, actual).diff.changes} == {"lines"}


def test_a_second_payment_is_the_only_change() -> None:
    expected = state(payments=payments((1, 5)), lines=lines((1, "tea")))
    actual = state(payments=payments((1, 5), (2, 5)), lines=lines((2, "tea")))
    assert compared(expected, actual).diff.changes == (
        Change("app.db", "payments", {"id": 1, "amount": 5}, count=1, expected=0, before={}),
    )


def test_a_row_under_another_generated_key_has_changed() -> None:
    def people(*rows: Row) -> Table:
        return Table(("id", "name", "points"), rows, key=("id",), generated=frozenset({"id"}))

    expected = state(users=people((1, "ann", 5), (2, "bob", 5), (3, "cy", 0)))
    actual = state(users=people((6, "bob", 10), (5, "ann", 20), (7, "cy", 0)))
    assert compared(expected, actual).diff.changes == (
        Change("app.db", "users", {"id": 6, "name": "bob", "points": 10}, 1, 1, before={"points": 5}),
        Change("app.db", "users", {"id": 5, "name": "ann", "points": 20}, 1, 1, before={"points": 5}),
    )
    assert kinds(compared(expected, state(users=people((5, "ann", 20), (7, "cy", 0))))) == [
        ("users", "missing"),
        ("users", "changed"),
    ]


def test_a_row_under_another_key_that_was_there_before_is_another_row() -> None:
    initial = state(payments=payments((1, 5), (2, 5)))
    expected, actual = state(payments=payments((2, 6))), state(payments=payments((1, 7)))
    assert kinds(compared(expected, actual)) == [("payments", "changed")]
    assert kinds(compared(expected, actual, initial=initial)) == [("payments", "missing"), ("payments", "extra")]


def test_keys_that_were_there_before_are_never_renamed() -> None:
    initial = state(payments=payments((1, 5), (2, 5)), lines=lines())
    expected = state(payments=payments((1, 5), (2, 5)), lines=lines((1, "tea")))
    actual = state(payments=payments((1, 5), (2, 5)), lines=lines((2, "tea")))
    assert kinds(compared(expected, actual, initial=initial)) == [("lines", "changed")]
    assert not compared(expected, actual).diff
    updated, other = (state(payments=payments((1, 5), (2, 5), (key, 6))) for key in (2, 3))
    assert compared(updated, other, initial=initial).diff


def test_foreign_keys_are_followed_through_tables_and_to_the_own_table() -> None:
    def tree(*rows: Row) -> State:
        return state(
            base=Table(("id", "parent"), rows, generated=frozenset({"id"}), references={"parent": ("base", "id")}),
            child=Table(("base_id",), tuple((row[0],) for row in rows[-1:]), references={"base_id": ("base", "id")}),
            note=Table(
                ("child_id",), tuple((row[0],) for row in rows[-1:]), references={"child_id": ("child", "base_id")}
            ),
        )

    assert not compared(tree((1, None), (2, 1), (3, 2)), tree((7, None), (9, 7), (8, 9))).diff
    assert compared(tree((1, None), (2, 1), (3, 2)), tree((7, None), (9, 7), (8, 7))).diff


def test_foreign_keys_in_a_circle_or_to_nowhere_are_no_keys_of_ours() -> None:
    def pair(value: int) -> State:
        return state(
            a=Table(("x",), ((value,),), references={"x": ("b", "y")}),
            b=Table(("y",), ((1,),), references={"y": ("a", "x")}),
            c=Table(("z",), ((value,),), references={"z": ("gone", "id")}),
        )

    assert {change.table for change in compared(pair(1), pair(2)).diff.changes} == {"a", "c"}


# Ignored


@pytest.mark.parametrize("pattern", ["users.token", "users", "app.db", "app.db.users.token"])
def test_what_is_ignored_is_neither_compared_nor_told(pattern: str) -> None:
    expected, actual = (state(users=users((1, token)), log=users((1, "x"))) for token in "xy")
    comparison = compared(expected, actual, ignore=(pattern,))
    assert not comparison.diff
    assert ("app.db.users" in comparison.diff.equal) == ("token" in pattern)
    assert kinds(compared(expected, actual, ignore=("log",))) == [("users", "changed")]
    assert compared(expected, expected, ignore=("log",)).diff.equal == ("app.db.users",)


# Any state


_CHUNKS = [bytes([number]) * 8 for number in range(11, 17)]
_TOKENS = st.integers(0, 3)
_STATES = st.builds(
    lambda people, items, sent: (people, items, sent),
    st.lists(st.tuples(st.sampled_from("ab"), _TOKENS), max_size=4),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from("xy"), _TOKENS), max_size=4),
    st.lists(st.tuples(st.sampled_from(["to {}", "by {} of {}"]), _TOKENS, _TOKENS), max_size=3),
)
_People = tuple[list[tuple[str, int]], list[tuple[int, str, int]], list[tuple[str, int, int]]]


def _written(content: _People, tokens: list[int], keys: list[int], chance: random.Random) -> State:
    people, items, sent = content
    rows: list[list[Row]] = [
        [(keys[number], name, _CHUNKS[tokens[token]]) for number, (name, token) in enumerate(people)],
        [(keys[owner] if owner < len(people) else None, text, _CHUNKS[tokens[t]].hex()) for owner, text, t in items],
        [(text.format(_CHUNKS[tokens[a]].hex(), _CHUNKS[tokens[b]].hex()),) for text, a, b in sent],
    ]
    for some in rows:
        chance.shuffle(some)
    return {
        "db": Snapshot(
            {
                "people": Table(("id", "name", "token"), tuple(rows[0]), key=("id",), generated=frozenset({"id"})),
                "items": Table(("owner", "text", "token"), tuple(rows[1]), references={"owner": ("people", "id")}),
            }
        ),
        "mail": Snapshot({"mail": Table(("body",), tuple(rows[2]))}),
    }


_ORDERS = st.permutations(range(6))


@given(_STATES, _ORDERS, _ORDERS, st.randoms(use_true_random=False))
def test_renamed_and_shuffled_states_are_equal(
    content: _People, tokens: list[int], keys: list[int], chance: random.Random
) -> None:
    expected = _written(content, list(range(6)), list(range(6)), chance)
    actual = _written(content, tokens, [key + 50 for key in keys], chance)
    comparison = compared(expected, actual, fresh=Fresh(tuple(_CHUNKS)))
    assert comparison.diff.changes == ()
    assert set(comparison.diff.equal) == {"db.people", "db.items", "mail.mail"}


@given(_STATES, _STATES, _ORDERS, st.randoms(use_true_random=False))
def test_comparing_is_symmetric_and_tells_every_table(
    content: _People, other: _People, tokens: list[int], chance: random.Random
) -> None:
    one = _written(content, list(range(6)), list(range(6)), chance)
    two = _written(other, tokens, tokens, chance)
    there, back = (compared(*pair, fresh=Fresh(tuple(_CHUNKS))) for pair in ((one, two), (two, one)))
    assert bool(there.diff) == bool(back.diff)
    for comparison in (there, back):
        changed = {f"{change.store}.{change.table}" for change in comparison.diff.changes}
        assert changed | set(comparison.diff.equal) == {"db.people", "db.items", "mail.mail"}
        assert not changed & set(comparison.diff.equal)
