"""Prediction: which pairs of effects go wrong, from the effects of clean runs alone."""

from __future__ import annotations

import pytest

from jobchaos.core.effect import Effect
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.explore.prediction import predicted, reversals
from tests.explore.chances import dependent, effects


def tokens(**of: str) -> list[str]:
    return [str(schedule) for schedule in predicted({copy: effects(text) for copy, text in of.items()}, dependent)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("rx ry wx", "wx", ["A2 B A"]),  # lost update
        ("wx ry wx", "wx", ["A2 B A"]),  # dirty write
        ("rx ry rx", "wx", ["A2 B A"]),  # non-repeatable read
        ("rx wy", "ry wx", ["A1 B A", "B1 A B"]),  # write skew
        ("rx wy", "ry", []),  # no cycle
        ("wx wx", "rx", ["A1 B A"]),  # dirty read
        ("rx wx", "rx", []),
        ("rx ry", "rx ry", []),
        ("wx", "wx", []),
        ("", "", []),
    ],
)
def test_a_pause_is_predicted_where_conflicts_close_a_cycle(a: str, b: str, expected: list[str]) -> None:
    assert tokens(A=a, B=b) == expected


def test_lost_updates_come_first_then_dirty_writes_then_the_rest() -> None:
    found = tokens(A="rz wx rz wx rx wx", B="wz wx")
    assert found == ["A5 B A", "A3 B A", "A1 B A", "B1 A B", "A2 B A", "A4 B A"]


def test_a_pause_is_tried_once_however_many_reads_come_before_it() -> None:
    assert tokens(A="rx rx rx wx", B="wx").count("A3 B A") == 1


def test_all_copies_take_part() -> None:
    assert tokens(A="rx wx", B="wx", C="rz") == ["A1 B A C"]
    assert tokens(A="rx wx", B="rz", C="wx") == ["A1 C A B"]


def event(copy: str, effect: Effect, happening: Happening = Happening.EFFECT) -> TraceEvent:
    return TraceEvent(happening, copy, 1, effect, "", 0)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Awx Bwx", 0),
        ("Bwx Awx", 1),
        ("Brx Arx", 0),
        ("Bwx Awy", 0),
        ("Bwx Bwx Awx Arx", 4),
        ("Arx Bwx Awx", 1),
        ("Cwx Bwx Awx", 3),
        ("", 0),
    ],
)
def test_dependent_effects_against_the_order_of_letters_are_counted(order: str, expected: int) -> None:
    events = [event(word[0], effects(word[1:])[0]) for word in order.split()]
    assert reversals(Trace(tuple(events)), dependent) == expected


def test_what_did_not_happen_is_not_counted() -> None:
    write = effects("wx")[0]
    assert reversals(Trace((event("B", write, Happening.PAUSED), event("A", write))), dependent) == 0
