"""Statements are told on one line, with the values that were bound to them."""

from __future__ import annotations

from typing import Any

import pytest

from jobchaos.probes.statement import first_word, label, split_script


@pytest.mark.parametrize(
    ("sql", "parameters", "shown"),
    [
        ("SELECT  1\n  FROM t", (), "SELECT 1 FROM t"),
        ("-- why\nSELECT ?", (7,), "SELECT 7"),
        ("SELECT ?, ?2, ?1, '?', \"?\"", ("it's", None), "SELECT 'it''s', NULL, 'it''s', '?', \"?\""),
        ("SELECT :a, @b, $c, :d", {"a": 1.5, "b": b"\xff", "c": "x\ny"}, "SELECT 1.5, x'ff', 'x y', :d"),
        ("SELECT ?3", (1,), "SELECT ?3"),  # a wrong number: SQLite will say so
    ],
)
def test_a_label_has_the_values_filled_in(sql: str, parameters: Any, shown: str) -> None:
    assert label(sql, parameters) == shown


def test_a_long_label_is_cut() -> None:
    assert label("SELECT ?", ("x" * 500,)) == "SELECT '" + "x" * 149 + "..."


def test_the_same_statement_is_told_anew_for_other_values() -> None:
    assert [label("SELECT ?", (value,)) for value in (1, 2)] == ["SELECT 1", "SELECT 2"]


def test_the_first_word_is_found_behind_comments() -> None:
    assert first_word("/* a */ -- b\n insert into t") == "INSERT"
    assert first_word("-- nothing else") == ""


def test_a_script_is_split_at_its_statements_only() -> None:
    script = "INSERT INTO t VALUES (';'); CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END; -- end\n"
    assert list(split_script(script)) == [
        "INSERT INTO t VALUES (';');",
        "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END;",
    ]
