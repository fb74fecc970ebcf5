from __future__ import annotations

import gzip

import pytest

from jobchaos.core.compare import Fresh
from jobchaos.core.snapshot import SERVER_TIME, Cell, Row, Snapshot, State, Table
from jobchaos.core.volatile import Volatile, volatile_columns
from tests.core.states import S, T, compared, kinds, mail, state, users

STAMPED = ("id", "at", "code")


def stamped(*rows: Row) -> State:
    return state(orders=Table(STAMPED, rows, key=("id",)))


def test_values_of_volatile_columns_may_differ_if_they_are_there() -> None:
    expected = stamped((1, "2024-01-01 10:00", None))
    volatile = ("orders.at", "orders.code")
    assert not compared(expected, stamped((1, "2024-01-02 11:00", None)), volatile=volatile).diff
    assert kinds(compared(expected, stamped((1, None, None)), volatile=volatile)) == [("orders", "changed")]
    assert kinds(compared(expected, stamped((1, "2024-01-02", "x")), volatile=volatile)) == [("orders", "changed")]
    assert kinds(compared(expected, stamped((1, 1704103200, None)), volatile=volatile)) == [("orders", "changed")]


@pytest.mark.parametrize(
    ("one", "later", "twice"),
    [
        ("2024-01-01 10:00 sent\n", "2024-01-01 10:05 sent\n", "2024-01-01 10:00 sent\n2024-01-01 10:05 sent\n"),
        ("1704103200,7", "1704103230,7", "1704103200,7\n1704103230,7"),
        ('[{"at": 1704103200.5}]', '[{"at": 1704103230.5}]', '[{"at": 1704103200.5}, {"at": 1704103230.5}]'),
    ],
)
def test_a_text_with_a_time_keeps_its_outline(one: str, later: str, twice: str) -> None:
    expected = stamped((1, one, None))
    assert not compared(expected, stamped((1, later, None)), volatile=("orders.at",)).diff
    assert kinds(compared(expected, stamped((1, twice, None)), volatile=("orders.at",))) == [("orders", "changed")]


@pytest.mark.parametrize("later", [SERVER_TIME, "2026-11-29 06:01:05+00"], ids=["the server's", "a whole second"])
def test_the_jobs_clock_may_show_what_a_servers_clock_does(later: str) -> None:
    """A check begins at the real time, so that what a later delivery writes may look like the server's own."""
    expected = stamped((1, "2026-11-29 06:01:04.559609+00", None))
    assert not compared(expected, stamped((1, later, None)), volatile=("orders.at",)).diff
    assert compared(expected, stamped((1, f"at {later}", None)), volatile=("orders.at",)).diff


@pytest.mark.parametrize("later", ["1704103230", "1704103230.500000", "1704103230500.0"])
def test_a_decimal_number_since_the_epoch_is_a_moment_with_or_without_a_fraction(later: str) -> None:
    expected = stamped((1, "1704103200.123456", None))
    assert not compared(expected, stamped((1, later, None)), volatile=("orders.at",)).diff
    assert compared(expected, stamped((1, "17041.5", None)), volatile=("orders.at",)).diff


@pytest.mark.parametrize("code", ["20240101-ceed-4662-81c8-bb0e1db9d6f8", "c3e44445358f1704103200c70d47050621"])
def test_random_digits_may_look_like_a_time(code: str) -> None:
    other = "0c420c93-1aa2-437d-b22f-4bfd591c433a"
    assert not compared(stamped((1, "", other)), stamped((1, "", code)), volatile=("orders.code",)).diff
    assert not compared(stamped((1, "", code)), stamped((1, "", other)), volatile=("orders.code",)).diff


def test_a_volatile_value_that_was_not_updated_is_a_difference() -> None:
    initial, expected = stamped((1, 1000.5, None)), stamped((1, 2000.5, None))
    assert not compared(expected, stamped((1, 3000.5, None)), initial=initial, volatile=("orders.at",)).diff
    assert compared(expected, initial, initial=initial, volatile=("orders.at",)).diff
    assert compared(initial, expected, initial=initial, volatile=("orders.at",)).diff


def test_without_a_key_a_value_that_was_there_before_was_not_updated() -> None:
    before, updated, later = (state(log=Table(("at",), ((at,),))) for at in (10.5, 20.5, 30.5))
    assert not compared(updated, later, initial=before, volatile=("log.at",)).diff
    assert compared(updated, before, initial=before, volatile=("log.at",)).diff


def test_a_volatile_code_must_be_the_same_wherever_it_was_the_same() -> None:
    def coded(stored: str, sent: str) -> State:
        return state(users=users((1, stored)), sms=Table(("code",), ((sent,),)))

    volatile = ("users.token", "sms.code")
    assert not compared(coded("k3y-one", "k3y-one"), coded("k3y-two", "k3y-two"), volatile=volatile).diff
    assert kinds(compared(coded("k3y-one", "k3y-one"), coded("k3y-two", "k3y-one"), volatile=volatile)) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2024-01-01 10:00", "2024-01-01 10:05"),
        (1704103200.25, 1704103230.25),
        (1704103200, 1704103230),
        ("Mon, 01 Jan 2024 10:00:00 GMT", "Mon, 01 Jan 2024 10:05:00 GMT"),
        (3, 5),
    ],
)
def test_times_and_small_numbers_that_were_equal_need_not_be(one: Cell, other: Cell) -> None:
    volatile = ("orders.at", "orders.code")
    assert not compared(stamped((1, one, one)), stamped((1, one, other)), volatile=volatile).diff


def test_in_a_volatile_column_a_random_value_keeps_its_identity_but_not_the_text_around_it() -> None:
    def told(stored: bytes, sent: bytes, at: str) -> State:
        return state(users=users((1, stored.hex())), mail=mail(("ann", f"{at}: {sent.hex()}")))

    assert not compared(told(S, S, "10:00"), told(T, T, "10:05"), volatile=("mail.body", "users.token")).diff
    assert compared(told(S, S, "10:00"), told(T, S, "10:05"), volatile=("mail.body", "users.token")).diff


def test_random_keys_are_renamed_along_foreign_keys() -> None:
    def shop(first: int, second: int) -> State:
        return state(
            carts=Table(("id", "text"), ((first, "a"), (second, "b")), key=("id",)),
            items=Table(("cart", "text"), ((first, "a"), (second, "b")), references={"cart": ("carts", "id")}),
        )

    volatile = ("carts.id", "items.cart")
    assert not compared(shop(3, 4), shop(6, 5), volatile=volatile).diff
    wrong = {"app.db": Snapshot({**shop(6, 5)["app.db"].tables, "items": shop(5, 6)["app.db"].tables["items"]})}
    assert compared(shop(3, 4), wrong, volatile=volatile).diff


def test_columns_are_volatile_if_new_values_of_two_clean_runs_differ() -> None:
    initial = stamped((1, "old", "x"), (2, "old", "x"))
    first = stamped((1, "10:00", "x"), (2, "old", "y"), (3, "10:00", "z"))
    second = stamped((2, "old", "y"), (3, "10:05", "z"), (1, "10:05", "x"))
    assert volatile_columns(first, second, initial) == {("app.db", "orders", "at")}
    assert volatile_columns(first, first, initial) == frozenset()


def test_values_that_move_to_another_row_are_not_volatile() -> None:
    assert volatile_columns(stamped((1, "a", "b")), stamped((2, "a", "b")), {}) == {("app.db", "orders", "id")}


def test_columns_of_tables_and_stores_that_only_one_run_has_are_volatile_if_they_hold_anything() -> None:
    assert volatile_columns(state(a=users((1, "x"))), state(b=users()), {}) == {
        ("app.db", "a", "id"),
        ("app.db", "a", "token"),
    }


def test_a_column_that_differs_in_random_values_alone_is_not_volatile_if_these_are_known() -> None:
    def told(chunk: bytes, price: int) -> State:
        return state(mail=mail(("ann", f"{price}: {chunk.hex()}")))

    fresh = Fresh((S,)), Fresh((T,))
    assert volatile_columns(told(S, 5), told(T, 5), {}, fresh) == frozenset()
    assert volatile_columns(told(S, 5), told(T, 6), {}, fresh) == {("app.db", "mail", "body")}
    assert volatile_columns(told(S, 5), told(T, 5), {}) == {("app.db", "mail", "body")}


def clean(*states: State) -> Volatile:
    return Volatile.between([(one, Fresh(())) for one in states], {})


def test_a_cell_that_is_the_same_in_all_runs_is_steady_whatever_else_is_in_its_column() -> None:
    def kept(at: str, runs: str) -> State:
        return state(settings=Table(("name", "value"), (("last run", at), ("runs", runs)), key=("name",)))

    seen = clean(kept("10:00", "1"), kept("10:01", "1"))
    assert not compared(kept("10:00", "1"), kept("10:02", "1"), seen=seen).diff
    assert kinds(compared(kept("10:00", "1"), kept("10:02", "2"), seen=seen)) == [("settings", "changed")]
    assert not compared(kept("10:00", "1"), kept("10:02", "2"), seen=clean(kept("10:00", "1"), kept("10:01", "3"))).diff


def test_what_was_there_already_by_chance_is_there_anew_in_a_later_run() -> None:
    def coincides(first: State, later: State, initial: State) -> bool:
        return clean(first, later).coincides([(first, Fresh(())), (later, Fresh(()))], initial)

    one, other, third = (stamped((1, at, None)) for at in ("10:00", "10:01", "10:02"))
    assert coincides(one, other, one)
    assert not coincides(other, third, one)
    assert coincides(state(), one, state())  # a file as it was before is no part of the state
    assert not coincides(one, one, one)


def noted(at: str, text: str = '{"at": "%s", "runs": %s}', runs: object = 1) -> State:
    return state(settings=Table(("name", "value"), (("last run", text % (at, runs)),), key=("name",)))


def with_words(*states: State) -> Volatile:
    return clean(*states).with_words([(one, Fresh(())) for one in states])


def test_words_beside_a_time_are_compared() -> None:
    seen = with_words(noted("2024-01-01 10:00:00"), noted("2024-01-01 10:01:01"), noted("2025-02-22 01:34:57"))
    assert not compared(noted("2024-01-01 10:00:00"), noted("2024-01-02 09:10:11"), seen=seen).diff
    assert compared(noted("2024-01-01 10:00:00"), noted("2024-01-01 10:00:00", runs=2), seen=seen).diff
    assert compared(noted("2024-01-01 10:00:00"), noted("2024-01-01 10:00:00", runs="1, 2"), seen=seen).diff


def test_words_in_compressed_files_are_compared_though_no_time_is_among_them() -> None:
    def kept(runs: int, mtime: int) -> State:
        return state(
            files=Table(("path", "content"), (("runs.gz", gzip.compress(b"%d" % runs, mtime=mtime)),), ("path",))
        )

    seen = with_words(kept(1, 10**9), kept(1, 10**9 + 61), kept(1, 2 * 10**9))
    assert not compared(kept(1, 10**9), kept(1, 10**9 + 1), seen=seen).diff
    assert compared(kept(1, 10**9), kept(2, 10**9 + 1), seen=seen).diff


def test_the_difference_shows_what_is_compared() -> None:
    seen = with_words(noted("2024-01-01 10:00:00"), noted("2025-02-22 01:34:57"))
    (change,) = compared(noted("2024-01-01 10:00:00"), noted("2024-01-01 10:05:00", runs=2), seen=seen).diff.changes
    assert change.before == {"value": '{"at": "* *", "runs": 1}'}
    assert change.row == {"name": "last run", "value": '{"at": "* *", "runs": 2}'}
    longer = noted("2024-01-01 10:05:00", runs="1, 2")
    (change,) = compared(noted("2024-01-01 10:00:00"), longer, seen=seen).diff.changes
    assert change.row["value"] == '{"at": "2024-01-01 10:05:00", "runs": 1, 2}'


def test_numbers_of_threads_may_be_the_same_by_chance() -> None:
    seen = with_words(noted("10:00", runs=140212345678912), noted("01:34", runs=140212345678912))
    assert not compared(noted("10:00"), noted("10:00", runs=140212345678999), seen=seen).diff


def took(seconds: object, status: str = "done", runs: int = 1) -> State:
    return state(runs=Table(("name", "took", "status", "n"), (("last", seconds, status, runs),), ("name",)))  # type: ignore[arg-type]


def slowly(*states: State, slow: State, initial: State | None = None) -> Volatile:
    runs = [(one, Fresh(())) for one in states]
    return Volatile.between(runs, initial or {}, (slow, Fresh(())))


@pytest.mark.parametrize(
    ("none", "some", "more"),
    [
        (0.0, 7.001, 2.5),
        (0, 7, 2),
        (0, 7001, 12),
        ("0.0", "14.002", "2.5e-05"),
        ("0:00:00", "0:00:07.001000", "1 day, 0:00:05"),
        ("PT0S", "PT7.001S", "P1DT2H"),
    ],
)
def test_how_long_something_took_may_differ(none: object, some: object, more: object) -> None:
    seen = slowly(took(none), took(none), slow=took(some))
    assert not compared(took(none), took(more), seen=seen).diff
    assert compared(took(none), took(more, runs=2), seen=seen).diff
    assert not compared(took(none), took(more), initial=took(none), seen=seen).diff


def test_what_a_job_does_about_time_that_has_passed_may_not() -> None:
    seen = slowly(took(0.0), took(0.0), slow=took(7.001, "late"))
    assert compared(took(0.0), took(0.0, "late"), seen=seen).diff
    fewer = slowly(took(0.0), slow=state(runs=Table(("name", "took", "status", "n"), (), ("name",))))
    assert compared(took(0.0), took(1.0), seen=fewer).diff


@pytest.mark.parametrize(("runs", "slow"), [(5, 1), (5, 6), (1, 2), (7, 0), (0, 3), (100, 20)])
def test_a_number_that_is_another_because_something_was_gone_is_no_length(runs: int, slow: int) -> None:
    seen = slowly(took(0.0, runs=runs), slow=took(7.001, runs=slow))
    assert compared(took(0.0, runs=runs), took(0.0, runs=runs + 1), seen=seen).diff


def test_a_time_that_was_not_updated_is_no_length() -> None:
    seen = slowly(took(10.5), took(61.5), slow=took(999.5))
    assert compared(took(10.5), took(5.5), initial=took(5.5), seen=seen).diff


def test_a_length_beside_a_time_in_a_table_of_names_and_values_may_differ() -> None:
    def kept(at: str, length: str, runs: str = "1") -> State:
        rows = (("at", at), ("took", length), ("runs", runs))
        return state(settings=Table(("name", "value"), rows, key=("name",)))

    seen = slowly(kept("10:00", "0.0"), kept("10:01", "0.0"), slow=kept("10:00", "7.001"))
    assert not compared(kept("10:00", "0.0"), kept("10:02", "3.0"), seen=seen).diff
    assert compared(kept("10:00", "0.0"), kept("10:02", "3.0", "2"), seen=seen).diff


def test_but_for_those_that_differ_from_run_to_run() -> None:
    seen = with_words(noted("2024-01-01 10:00", runs=1), noted("2025-02-22 01:34", runs=2))
    assert not compared(noted("2024-01-01 10:00"), noted("2024-01-01 10:00", runs=3), seen=seen).diff


def test_of_several_rows_that_cannot_be_told_apart_words_are_steady_in_all() -> None:
    def sent(at: str, *runs: int) -> State:
        return state(http=Table(("url", "body"), tuple(("/audit", f"{at}: {number}") for number in runs)))

    seen = with_words(sent("2024-01-01 10:00", 1, 2), sent("2025-02-22 01:34", 1, 2))
    assert not compared(sent("2024-01-01 10:00", 1, 2), sent("2024-01-01 10:00", 1, 3), seen=seen).diff


def test_texts_with_several_outlines_are_compared_by_none() -> None:
    seen = with_words(noted("2024-01-01 10:00", runs="1"), noted("2025-02-22 01:34", runs="1, 2"))
    assert not compared(noted("2024-01-01 10:00"), noted("2024-01-01 10:00", runs="1, 2, 3"), seen=seen).diff


def test_words_are_compared_around_random_values_too() -> None:
    def told(at: str, chunk: bytes, runs: int) -> State:
        return noted(f"{at} {chunk.hex()}", runs=runs)

    both = Fresh((S, T))
    expected, later = told("2024-01-01 10:00", S, 1), told("2025-02-22 01:34", T, 1)
    seen = Volatile.between([(expected, both), (later, both)], {}).with_words([(expected, both), (later, both)])
    assert not compared(expected, later, fresh=both, seen=seen).diff
    assert compared(expected, told("2025-02-22 01:34", T, 2), fresh=both, seen=seen).diff


def test_words_of_different_jobs_are_those_of_both() -> None:
    one = with_words(noted("2024-01-01 10:00", runs=1), noted("2025-02-22 01:34", runs=1))
    other = with_words(noted("2024-01-01 10:00", runs=2), noted("2025-02-22 01:34", runs=3))
    for seen in (one | other, other | one):
        assert not compared(noted("2024-01-01 10:00"), noted("2024-01-01 10:00", runs=4), seen=seen).diff
    for seen in (one | Volatile(), Volatile() | one):
        assert compared(noted("2024-01-01 10:00"), noted("2024-01-01 10:00", runs=4), seen=seen).diff


def test_without_a_key_rows_are_told_apart_by_what_is_not_volatile() -> None:
    def sent(at: str, runs: str, *more: Row) -> State:
        return state(http=Table(("url", "body"), (("/audit", at), ("/runs", runs), *more)))

    seen = clean(sent("10:00", "1"), sent("10:01", "1"))
    assert not compared(sent("10:00", "1"), sent("10:02", "1"), seen=seen).diff
    assert compared(sent("10:00", "1"), sent("10:02", "2"), seen=seen).diff
    several = clean(sent("10:00", "1", ("/runs", "2")), sent("10:01", "2", ("/runs", "1")))
    assert compared(sent("10:00", "1", ("/runs", "2")), sent("10:00", "1", ("/runs", "3")), seen=several).diff


def test_keys_that_are_made_up_tell_no_rows_apart() -> None:
    def numbered(first: int, second: int, at: str) -> State:
        rows = ((first, "a", at), (second, "b", "10:00"))
        return state(log=Table(("id", "text", "at"), rows, key=("id",), generated=frozenset({"id"})))

    seen = clean(numbered(1, 2, "10:00"), numbered(1, 2, "10:01"))
    assert not compared(numbered(1, 2, "10:00"), numbered(2, 1, "10:02"), seen=seen).diff


def test_what_is_steady_in_all_serial_orders_is_steady() -> None:
    def kept(*values: str) -> State:
        return state(settings=Table(("name", "value"), tuple(zip("abc", values, strict=True)), key=("name",)))

    both = clean(kept("1", "1", "1"), kept("2", "1", "1")) | clean(kept("1", "1", "1"), kept("1", "2", "1"))
    column = ("app.db", "settings", "value")
    assert [both.varies(column, (("name", repr(name)),)) for name in "abc"] == [True, True, False]
    assert not (Volatile() | clean(kept("1", "1", "1"), kept("1", "2", "1"))).varies(column, (("name", "'a'"),))
