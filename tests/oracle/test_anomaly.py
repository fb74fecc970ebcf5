"""Which anomaly a trace shows. A trace is written as `A:r(x) B:w(x)`; c ends a transaction, t is a write inside one."""

from __future__ import annotations

import re

import pytest

from jobchaos.core.effect import Effect, Mode, Site, Touch
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.oracle.access import overlap
from jobchaos.oracle.anomaly import anomaly_of

_MODES = {"r": Mode.READ, "w": Mode.WRITE, "t": Mode.WRITE, "c": Mode.WRITE, "a": Mode.APPEND}


def trace(history: str) -> Trace:
    """One event a word; a word's place is its line number."""
    return Trace(tuple(event(word, line) for line, word in enumerate(history.split(), 1)))


def event(word: str, line: int) -> TraceEvent:
    if word.endswith(":abort"):
        return TraceEvent(Happening.RAISED, word[0], 1, None, "", 0)
    match = re.fullmatch(r"(?P<copy>[A-D]):(?P<verb>[rwtcau+-])\((?P<names>[\w/,*]*)\)(?P<refused>!?)", word)
    assert match is not None, word
    copy, verb, names = match["copy"], match["verb"], match["names"].split(",")
    if verb == "u":
        effect = Effect("sql", "PRAGMA read_uncommitted = 1")
    elif verb == "+":  # reads and writes at once
        touches = [Touch(f"sql:/tmp/app.db/{name}", mode) for name in names for mode in (Mode.READ, Mode.WRITE)]
        effect = Effect("sql", "UPDATE", tuple(touches), durable=True)
    elif verb == "-":
        effect = Effect(match["names"], "n = 1", (Touch("memory:", Mode.WRITE),))
    else:
        label = "COMMIT" if verb == "c" else f"{verb} {match['names']}"
        touched = tuple(Touch(f"sql:/tmp/app.db/{name}".removesuffix("/*"), _MODES[verb]) for name in names)
        effect = Effect("sql", label, touched, durable=verb in "wca")
    placed = effect.at(Site("/srv/app/jobs.py", line, copy))
    return TraceEvent(Happening.EFFECT, copy, 1, placed, "", 0, applied=not match["refused"])


@pytest.mark.parametrize(
    ("history", "name"),
    [
        ("A:r(x) B:r(x) B:w(x) A:w(x)", "lost update"),
        ("A:r(x) B:w(x) A:w(x)", "lost update"),
        ("A:r(x) B:+(x) A:+(x)", "lost update"),
        ("A:r(x) A:r(y) B:r(x) B:r(y) B:w(y) A:w(x)", "write skew"),
        ("A:r(x) B:w(x) A:r(x)", "non-repeatable read"),
        ("A:r(x) B:w(x) B:w(y) A:r(y)", "read skew"),
        ("A:w(x) B:w(x) B:w(y) A:w(y)", "dirty write"),
        ("A:+(x) B:+(x) B:+(y) A:+(y)", "dirty write"),
        ("A:w(x) B:w(x) A:w(x)", "dirty write"),
        ("A:w(x) B:r(x) B:w(y) A:r(y)", "non-serialisable"),  # information flows in a circle: Adya's G1c
        ("A:r(x) B:w(x) B:w(y) A:w(y)", "non-serialisable"),
        ("B:u() A:t(x) B:r(x) A:abort", "dirty read"),
        ("B:u() A:t(x) B:r(x) A:c(x)", "dirty read"),
        # three copies, each before the next
        ("A:r(x) B:w(x) B:r(y) C:w(y) C:r(z) A:w(z)", "non-serialisable"),
        ("A:w(x) B:w(x) B:w(y) C:w(y) C:w(z) A:w(z)", "dirty write"),
        # parts of a table, and the whole of it
        ("A:r(x) B:r(x) B:w(x/2) A:w(x/1)", "write skew"),
        ("A:r(x/1) B:w(x/1) A:w(x/1)", "lost update"),
        ("A:r(x/1) B:w(x) A:w(x/1)", "lost update"),
        ("A:r(*) B:w(x) A:w(x)", "lost update"),
        # the check finds nothing, and both add: nobody overwrites anything
        ("A:r(x) B:r(x) B:a(x) A:a(x)", "write skew"),
        # writes in a transaction are there when it commits
        ("A:r(x) B:t(x) A:w(x) B:c(x)", ""),
        ("A:r(x) B:t(x) B:c(x) A:t(x) A:c(x)", "lost update"),
        ("A:r(x) B:t(x) B:abort A:w(x)", ""),
    ],
)
def test_the_name_of_a_history(history: str, name: str) -> None:
    found = anomaly_of(trace(history))
    assert (found.name if found else "") == name


@pytest.mark.parametrize(
    "history",
    [
        "",
        "A:r(x) A:w(x) B:r(x) B:w(x)",
        "A:r(x) B:r(x) A:r(x)",
        "A:w(x) B:w(y) A:w(x)",
        "A:+(x) B:+(x)",
        "A:a(x) B:a(x) A:a(x)",
        "A:r(x) B:w(x)! A:w(x)",  # refused
        "A:r(x/1) B:w(x/10) A:w(x/1)",  # a prefix of a name is no part of a path
        "A:r(x) B:t(x) A:w(x)",  # never committed
        "A:t(x) B:r(x) A:c(x)",  # it read what was committed before
        "A:-(line) B:-(line) A:-(line)",  # nobody knows what a line uses
        "A:-(await) B:-(await) A:-(await)",
    ],
)
def test_what_can_be_put_in_a_serial_order_is_none(history: str) -> None:
    assert anomaly_of(trace(history)) is None


@pytest.mark.parametrize(
    ("history", "text"),
    [
        (
            "A:r(x) B:r(x) B:w(x) A:w(x)",
            "lost update: A reads x (jobs.py:1) -> B writes x (jobs.py:3) -> A writes x (jobs.py:4)",
        ),
        (
            "A:r(x) A:r(y) B:r(x) B:r(y) B:w(y) A:w(x)",
            (
                "write skew: A reads y (jobs.py:2) -> B writes y (jobs.py:5), "
                "B reads x (jobs.py:3) -> A writes x (jobs.py:6)"
            ),
        ),
        (  # the statement, not the COMMIT that made it last
            "A:r(x) B:t(x) B:c(x) A:w(x)",
            "lost update: A reads x (jobs.py:1) -> B writes x (jobs.py:2) -> A writes x (jobs.py:4)",
        ),
        ("B:u() A:t(x) B:r(x) A:abort", "dirty read: A writes x (jobs.py:2) -> B reads x (jobs.py:3)"),
        (  # the reads next to the write, of many
            "A:r(x) A:r(x) B:w(x) A:r(x) A:r(x)",
            "non-repeatable read: A reads x (jobs.py:2) -> B writes x (jobs.py:3) -> A reads x (jobs.py:4)",
        ),
        (
            "A:r(x) B:w(x) B:r(y) C:w(y) C:r(z) A:w(z)",
            (
                "non-serialisable: A reads x (jobs.py:1) -> B writes x (jobs.py:2), B reads y (jobs.py:3) -> "
                "C writes y (jobs.py:4), C reads z (jobs.py:5) -> A writes z (jobs.py:6)"
            ),
        ),
    ],
)
def test_the_cycle_is_told_with_call_sites(history: str, text: str) -> None:
    assert str(anomaly_of(trace(history))) == text


def test_a_cycle_through_what_is_wrong_afterwards_explains_it_best() -> None:
    history = trace("A:r(log) A:r(stock) B:w(log) B:w(stock) A:w(log) A:r(stock)")
    assert str(anomaly_of(history)).startswith("lost update: A reads log")
    assert str(anomaly_of(history, {"stock"})).startswith("non-repeatable read: A reads stock")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("INSERT INTO x VALUES (1)", "write skew"),
        ("insert into x values (1)", "write skew"),
        ("INSERT OR REPLACE INTO x VALUES (1)", "lost update"),
        ("INSERT INTO x VALUES (1) ON CONFLICT DO UPDATE SET n = 1", "lost update"),
        ("INSERT INTO x VALUES (1, 'it is so long that it...", "lost update"),  # what was cut off may be ON CONFLICT
    ],
)
def test_plain_inserts_overwrite_nothing(label: str, name: str) -> None:
    events = trace("A:r(x) B:r(x) B:w(x) A:w(x)").events
    inserts = [done._replace(effect=done.effect and done.effect._replace(label=label)) for done in events[2:]]
    found = anomaly_of(Trace((*events[:2], *inserts)))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("sql:/a.db/t", "sql:/a.db/t", True),
        ("sql:/a.db/t", "sql:/a.db/t/1", True),
        ("sql:/a.db/t/1", "sql:/a.db", True),
        ("sql:/a.db/t", "sql:/a.db/tt", False),
        ("sql:/a.db/t/1", "sql:/a.db/t/2", False),
    ],
)
def test_resources_overlap_along_their_paths(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is expected
