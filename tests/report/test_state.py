"""A diff in words: one line a row, its counts, its columns, and nothing beyond the width."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.diff import Change, Diff
from jobchaos.core.snapshot import Cell
from jobchaos.report.state import change_text, state_lines


def extra(row: Mapping[str, Cell], *, table: str = "users", store: str = "app.db", count: int = 2) -> Change:
    return Change(store, table, row, count, 1, {})


def changed(row: Mapping[str, Cell], **before: Cell) -> Change:
    return Change("app.db", "users", row, 1, 1, before)


def lines(*changes: Change, equal: tuple[str, ...] = (), width: int = 100) -> list[str]:
    return state_lines(Diff(changes, equal), width)


def test_rows_that_are_too_many_and_too_few_tell_their_counts() -> None:
    assert lines(
        extra({"id": 1, "name": "Ann"}, count=3),
        Change("app.db", "users", {"id": 2, "name": "Bob"}, 0, 1, {}),
    ) == [
        'users  + id=1, name="Ann"  3, expected 1',
        'users  - id=2, name="Bob"  0, expected 1',
    ]


def test_a_changed_row_tells_only_its_differing_columns_twice() -> None:
    assert lines(changed({"id": 1, "sent": 1, "name": "Ann"}, sent=0)) == ['users  ~ id=1, name="Ann"  sent: 0 -> 1']


def test_several_columns_change_in_one_line() -> None:
    change = changed({"id": 1, "sent": 1, "name": None}, sent=0, name="Ann")
    assert change_text(change, 100) == 'id=1  sent: 0 -> 1, name: "Ann" -> None'


def test_a_row_that_changed_altogether_has_no_other_columns_to_tell() -> None:
    assert change_text(changed({"total": 2.0}, total=2), 100) == "total: 2 -> 2.0"


def test_equal_tables_follow_the_changes_in_one_column() -> None:
    assert lines(extra({"id": 1}, table="invoices"), equal=("app.db.users", "mail.mail")) == [
        "invoices  + id=1  2, expected 1",
        "users     equal",
        "mail      equal",
    ]


def test_the_model_is_named_beside_its_table() -> None:
    changes = [
        dataclasses.replace(extra({"id": 1}, store=store), model=model)
        for store, model in (("app.db", "shop.User"), ("other.db", ""))
    ]
    assert lines(changes[0], equal=("app.db.mails",)) == [
        "users (shop.User)  + id=1  2, expected 1",
        "mails              equal",
    ]
    assert [line.partition("  ")[0] for line in lines(*changes)] == ["app.db.users (shop.User)", "other.db.users"]


def test_a_table_is_named_with_its_store_only_where_it_must_be() -> None:
    two = lines(extra({"id": 1}), extra({"id": 1}, store="other.db"), equal=("app.db.mails",))
    assert two == [
        "app.db.users    + id=1  2, expected 1",
        "other.db.users  + id=1  2, expected 1",
        "mails           equal",
    ]


def test_counts_stand_below_each_other() -> None:
    short, long = lines(extra({"id": 1}), extra({"id": 1, "name": "Ann"}))
    assert short.index("2, expected 1") == long.index("2, expected 1")


def test_a_ledgers_record_reads_as_a_sentence() -> None:
    row = {"to": "ann@example.com", "subject": "Welcome home", "sender": None, "size": 3}
    assert lines(extra(row, store="mail", table="mail")) == [
        'mail  + ann@example.com "Welcome home" 3  2, expected 1',
    ]


def test_a_word_of_a_record_is_bare_only_if_it_is_no_more_than_itself() -> None:
    row = {"a": "", "b": 'say"', "c": "\x1b[2J", "password": "hunter2"}
    assert change_text(extra(row, store="mail", table="mail"), 100) == r'"" "say\"" "\x1b[2J" ***'


def test_a_file_is_told_by_its_path_and_the_first_difference_of_its_content() -> None:
    before = "header\n" + "same line\n" * 50 + "total 10\n"
    after = "header\n" + "same line\n" * 50 + "total 20\n"
    text = change_text(Change("out", "files", {"path": "a.csv", "content": after}, 1, 1, {"content": before}), 200)
    assert text == r'path="a.csv"  content: ...ne\ntotal 10\n" -> ...ne\ntotal 20\n"'


@pytest.mark.parametrize("limit", [80, 100])
def test_where_space_is_short_both_values_are_still_to_be_seen(limit: int) -> None:
    cells = {"path": "/a/folder/with/a/long/name/counters.bin", "content": "\x01" + "\0" * 20}
    text = change_text(Change("files", "files", cells, 1, 1, {"content": "\x02" + "\0" * 20}), limit)
    assert len(text) <= limit
    assert r'content: "\x02\x00' in text
    assert r' -> "\x01\x00' in text


def test_a_difference_in_length_alone_is_to_be_seen() -> None:
    text = change_text(changed({"log": "x" * 200 + "END"}, log="x" * 200), 200)
    old, _, new = text.partition(" -> ")
    assert "END" not in old
    assert "END" in new


def test_long_values_are_shortened_and_both_their_ends_told() -> None:
    text = change_text(extra({"id": 1, "body": "begin" + "." * 500 + "end"}), 200)
    assert text.startswith('id=1, body="begin')
    assert text.endswith('end"')
    assert len(text) < 60


def test_both_sides_of_a_change_are_shown_even_if_the_row_is_wide() -> None:
    row: dict[str, Cell] = {f"column_{index}": "value" for index in range(20)}
    text = change_text(changed({**row, "sent": 1, "address": "New Street"}, sent=0, address="Old Street"), 80)
    assert text.startswith("column_0=")
    assert text.endswith('  sent: 0 -> 1, address: "Old Street" -> "New Street"')
    assert text.count("...") == 1
    assert len(text) == 80


def test_secrets_and_terminal_codes_are_not_shown() -> None:
    told = "\n".join(
        [
            *lines(changed({"id\x1b": 1, "password": "new"}, password="old"), equal=("app.db.\x1b[2J",)),
            *lines(extra({"note": "password=hunter2"}, table="a\nb")),
        ]
    )
    assert "password: *** -> ***" in told
    assert r"id\x1b=1" in told
    assert r"\x1b[2J" in told
    assert r"a\nb" in told
    assert "hunter2" not in told
    assert "\x1b" not in told


def test_many_changes_and_many_equal_tables_are_counted() -> None:
    told = lines(*(extra({"id": index}) for index in range(25)), equal=tuple(f"app.db.t{n}" for n in range(13)))
    assert len(told) == 20 + 1 + 3 + 1
    assert told[20] == "... 5 more changes ..."
    assert told[-1] == "... 10 more equal ..."
    assert "id=19" in told[19]


def test_as_many_as_there_is_room_for_are_not_counted() -> None:
    told = lines(*(extra({"id": index}) for index in range(20)), equal=tuple(f"app.db.t{n}" for n in range(3)))
    assert len(told) == 23
    assert not [line for line in told if "more" in line]


def test_no_change_is_no_line() -> None:
    assert lines() == []


_CELLS = st.none() | st.integers() | st.floats() | st.text(max_size=80) | st.binary(max_size=40)
_ROWS = st.dictionaries(st.text(min_size=1, max_size=12), _CELLS, min_size=1, max_size=6)


@st.composite
def _changes(draw: st.DrawFn) -> Change:
    row = draw(_ROWS)
    before = {column: draw(_CELLS) for column in row if draw(st.booleans())}
    name = draw(st.text(min_size=1, max_size=50))
    store = draw(st.sampled_from([name, "app.db"]))
    return Change(store, name, row, draw(st.integers(0, 99)), draw(st.integers(0, 99)), before)


@given(st.lists(_changes(), max_size=5), st.lists(st.text(max_size=60), max_size=3), st.integers(80, 140))
def test_no_line_is_longer_than_the_width_or_holds_what_cannot_be_printed(
    changes: list[Change], equal: list[str], width: int
) -> None:
    for line in lines(*changes, equal=tuple(equal), width=width):
        assert len(line) <= width
        assert line.isprintable()


@pytest.mark.parametrize("limit", [20, 40, 80])
def test_a_change_keeps_its_limit(limit: int) -> None:
    wide = {f"column_{index}": "x" * 30 for index in range(9)}
    assert len(change_text(extra(wide), limit)) == limit
    assert len(change_text(changed(wide, column_3="y" * 30), limit)) == limit


def test_of_a_text_that_has_grown_the_lines_are_counted() -> None:
    """A log's first line may differ in its time alone."""
    before, after = "12:00:01 hello\n", "12:00:02 hello\n12:00:03 hello\n"
    text = change_text(Change("out", "files", {"path": "a.log", "content": after}, 1, 1, {"content": before}), 200)
    assert text.startswith('path="a.log"  content (2 lines, expected 1): "12:00:01')
