"""Nothing from the job's world reaches a terminal unescaped, unmasked or at any length."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.snapshot import Cell
from jobchaos.report.shown import LONGEST, escape, literal, one_line, shorten, shown

_TEXTS = st.text() | st.text("\x1b[31m\x00\x9b\r\n\t\u202e\u2028\\\"'ab =:password")


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("plain text, with spaces", "plain text, with spaces"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("nul\x00 bell\x07 delete\x7f", r"nul\x00 bell\x07 delete\x7f"),
        ("right\u202eto left", r"right\u202eto left"),
        ("new\u2028line", r"new\u2028line"),
        ("lone \ud800", r"lone \ud800"),
        ("Zo\u00eb \u4f60 \U0001f600", "Zo\u00eb \u4f60 \U0001f600"),
    ],
)
def test_what_is_not_printable_is_escaped_and_the_rest_stays(raw: str, escaped: str) -> None:
    assert escape(raw) == escaped


@given(_TEXTS)
def test_escaped_text_is_printable_and_stays_as_it_is(text: str) -> None:
    once = escape(text)
    assert once.isprintable()
    assert escape(once) == once


@given(_TEXTS, st.integers(0, 60))
def test_everything_shown_is_printable_and_keeps_its_limit(text: str, limit: int) -> None:
    for result in (shown(text, limit), one_line(text, limit), literal("name", text, limit)):
        assert result.isprintable()
        assert len(result) <= limit


def test_both_ends_of_a_long_text_are_kept() -> None:
    assert shorten("abcdefghijklmnopqrstuvwxyz", 12) == "abcdef...xyz"
    assert shorten("abcdef", 6) == "abcdef"


@given(st.text("abcdef", max_size=40), st.integers(0, 50))
def test_only_what_is_too_long_is_shortened_and_then_to_the_limit(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) == min(len(text), limit)
    if len(text) <= limit:
        assert short == text
    elif limit >= 3:
        head, tail = short.split("...")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_a_huge_text_is_shown_within_the_usual_limit() -> None:
    assert len(shown("a" * 10**6)) == LONGEST
    assert len(one_line("a b " * 10**6)) == LONGEST


def test_one_line_joins_a_statement_and_shown_tells_its_white_space() -> None:
    statement = "  SELECT *\n    FROM users\t WHERE id = 1 "
    assert one_line(statement) == "SELECT * FROM users WHERE id = 1"
    assert shown("a\n  b") == r"a\n  b"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (1, "1"),
        (1.0, "1.0"),
        (None, "None"),
        ("1", '"1"'),
        ("None", '"None"'),
        ("", '""'),
        (b"\x00a", r"b'\x00a'"),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("\x1b[2J", r'"\x1b[2J"'),
    ],
)
def test_a_cell_is_written_as_a_program_would_write_it(cell: Cell, written: str) -> None:
    assert literal("name", cell) == written


@given(st.text(max_size=50))
def test_a_written_text_reads_back_as_the_same_text(text: str) -> None:
    # "=" and ":" begin what could be a credential, and that does not read back.
    plain = text.replace("=", "").replace(":", "")
    assert ast.literal_eval(literal("name", plain)) == plain


@pytest.mark.parametrize("column", ["password", "user_password", "API_KEY", "access_token", "secret"])
@pytest.mark.parametrize("cell", ["hunter2", 12345, b"hunter2", None])
def test_a_cell_of_a_secret_column_is_not_shown(column: str, cell: Cell) -> None:
    assert literal(column, cell) == "***"


def test_a_secret_inside_a_text_is_masked_before_it_is_shortened() -> None:
    text = "password=hunter2-and-a-very-long-rest"
    for result in (shown(text, 20), one_line(text, 20)):
        assert result == "password=***"
    assert literal("note", text, 20) == '"password=***"'
