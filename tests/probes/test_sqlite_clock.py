"""SQLite's functions of date and time give virtual time, and otherwise just what SQLite's own give."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.probes.sqlite_clock import SQLiteClock, moments_of

NOON = datetime.datetime(2030, 1, 1, 12, 0, 0, 500_000, tzinfo=datetime.timezone.utc)
MOMENT = "'2030-01-01 12:00:00.500'"
QUICK = Settings(profile="quick", now=NOON)
PLAIN = [
    "date('2024-02-29', '+1 year')",
    "datetime(0, 'unixepoch')",
    "datetime(1900000000, 'auto')",
    "strftime('%Y-%j', '2024-12-31')",
    "julianday('2000-01-01')",
    "time('12:30', '+90 minutes')",
    "datetime(NULL)",
    "datetime('no date')",
    "datetime(x'6e6f77')",
]
NOW = [
    "date({})",
    "time({})",
    "datetime({})",
    "julianday({})",
    "unixepoch({})",
    "strftime('%s', {})",
    "strftime('%Y-%m-%d %H:%M:%f', {})",
    "datetime({}, 'start of month', '+1 month', '-1 day')",
    "date({}, 'weekday 0')",
    "typeof(unixepoch({}))",
]
BARE = ["date()", "time()", "datetime()", "julianday()", "unixepoch()", "strftime('%s')"]
NO_UNIXEPOCH = sqlite3.sqlite_version_info < (3, 38)


@pytest.fixture
def clock() -> Iterator[SQLiteClock]:
    clock = SQLiteClock()
    yield clock
    clock.close()


@pytest.fixture
def db(clock: SQLiteClock) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        clock.show_on(db, [])
        yield db


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(
            """
            CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, day AS (date(at)));
            CREATE INDEX by_day ON t (date(at));
            CREATE TABLE log (at TEXT);
            CREATE TRIGGER logs AFTER INSERT ON t BEGIN INSERT INTO log VALUES (datetime('now', '+1 hour')); END;
            CREATE VIEW present AS SELECT datetime('now') AS at;
            """
        )
    return path


def genuine(expression: str) -> Any:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        return db.execute(f"SELECT {expression}").fetchone()[0]


def skip_without_unixepoch(expression: str) -> None:
    if "unixepoch(" in expression and NO_UNIXEPOCH:
        pytest.skip("this SQLite does not know unixepoch()")


@pytest.mark.parametrize("expression", PLAIN)
def test_what_does_not_ask_for_the_present_is_as_ever(db: sqlite3.Connection, expression: str) -> None:
    assert db.execute(f"SELECT {expression}").fetchone()[0] == genuine(expression)


@pytest.mark.parametrize("now", ["'now'", "'NOW'"])
@pytest.mark.parametrize("expression", NOW)
def test_now_is_the_virtual_moment(path: str, expression: str, now: str) -> None:
    skip_without_unixepoch(expression)
    assert asked(path, f"SELECT {expression.format(now)}") == genuine(expression.format(MOMENT))


@pytest.mark.parametrize("expression", BARE)
def test_without_a_moment_it_is_now(path: str, expression: str) -> None:
    skip_without_unixepoch(expression)
    name, _, rest = expression.rstrip(")").partition("(")
    assert asked(path, f"SELECT {expression}") == genuine(f"{name}({', '.join(filter(None, [rest, MOMENT]))})")


@pytest.mark.parametrize(
    ("word", "value"),
    [("CURRENT_TIMESTAMP", "2030-01-01 12:00:00"), ("CURRENT_DATE", "2030-01-01"), ("current_time", "12:00:00")],
)
def test_the_words_of_standard_sql(path: str, word: str, value: str) -> None:
    assert asked(path, f"SELECT {word}") == value


def asked(path: str, sql: str) -> Any:
    """What a job is answered at the beginning of a check."""
    return first_row(path, sql)[0]


def first_row(path: str, sql: str) -> tuple[Any, ...]:
    rows: list[tuple[Any, ...]] = []

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT OR IGNORE INTO t (id) VALUES (1)")
            rows.append(db.execute(sql).fetchone())

    check(job, faults=["duplicate"], settings=QUICK)
    return rows[0]


def test_in_defaults_triggers_views_and_indexes(path: str) -> None:
    noon = "2030-01-01 12:00:00"
    sql = "SELECT t.at, day, log.at, present.at FROM t, log, present WHERE date(t.at) = CURRENT_DATE"
    assert first_row(path, sql) == (noon, "2030-01-01", "2030-01-01 13:00:00", noon)


@pytest.mark.parametrize("isolation", ["thread", pytest.param("process", marks=pytest.mark.thorough)])
def test_it_passes_with_virtual_time(path: str, tmp_path: Path, isolation: str) -> None:
    """A copy notes the present, sleeps for three days, and sees in the database that three days are over."""

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT OR IGNORE INTO t (id) VALUES (1)")
            (before,) = db.execute("SELECT julianday('now')").fetchone()
            time.sleep(3 * 24 * 3600)
            (days,) = db.execute("SELECT round(julianday('now') - ?, 6)", (before,)).fetchone()
            db.execute("UPDATE t SET at = ? WHERE id = 1", (days,))

    verdict = check(job, faults=["crash"], settings=QUICK.override({"isolation": isolation}, "the test"))
    assert verdict.status == "holds", verdict.findings
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT at FROM t").fetchone() == ("3.0",)


def test_a_clock_that_is_wrong_is_so_for_the_database_of_its_machine(path: str) -> None:
    """SQLite runs in the worker."""

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT OR IGNORE INTO t (id) VALUES (1)")
            db.execute("UPDATE t SET at = datetime('now', '+60 seconds') WHERE at < datetime('now')")
            (at,) = db.execute("SELECT strftime('%s', 'now')").fetchone()
            if int(at) != int(time.time()):
                raise AssertionError

    verdict = check(job, faults=["expiry"], settings=Settings(profile="quick", now=NOON, skew=5))
    assert verdict.status == "holds", verdict.findings
    assert "60 s" in verdict.claim
    assert "with a clock wrong by 5 s" in verdict.claim


def test_who_is_not_controlled_sees_real_time(path: str) -> None:
    kept: list[sqlite3.Connection] = []

    def job() -> None:
        kept.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        kept[-1].execute("INSERT OR IGNORE INTO t (id) VALUES (1)")

    check(job, faults=["duplicate"], settings=QUICK)
    for db in kept:
        with contextlib.closing(db):
            assert db.execute("SELECT datetime('now') < '2030'").fetchone() == (True,)


@pytest.mark.parametrize(
    ("sql", "seconds"),
    [
        ("UPDATE t SET at = unixepoch() + 60", [60]),
        ("UPDATE t SET at = CAST(strftime('%s', 'now') AS INTEGER) - 5", [-5]),
        ("UPDATE t SET at = 1 WHERE at = 2 OR at < datetime('now', '-5 minutes')", [-300]),
        ("SELECT datetime('now', '+1 day'), date('now', '-2 hours')", [86_400, -7200]),
        ("SELECT datetime('now', 'start of day'), id + 60 FROM t", []),
    ],
)
def test_moments_that_a_text_states(sql: str, seconds: list[int]) -> None:
    present = 1_893_499_200_123
    assert moments_of(sql, (), [present]) == (present, *(present + 1000 * each for each in seconds))


@pytest.mark.parametrize(
    ("sql", "parameters", "seconds"),
    [
        ("UPDATE t SET a = 'is it?', e = unixepoch() + ? WHERE e < unixepoch() - ?", (60, 5), [60, -5]),
        ("UPDATE t SET a = ?, e = strftime('%s', 'now') + ?", ("x", 30), [30]),
        ("UPDATE t SET e = unixepoch() + :ttl", {"ttl": 1.5}, [1.5]),
        ("UPDATE t SET e = unixepoch() + ?2, a = ?1", ("x", 60), [60]),
        ("UPDATE t SET e = unixepoch() + ?", (None,), []),
        ("UPDATE t SET e = unixepoch() + ?", (), []),
        ("UPDATE t SET e = unixepoch() + @ttl", (1,), []),
    ],
)
def test_moments_that_a_parameter_states(sql: str, parameters: Any, seconds: list[float]) -> None:
    present = 1_893_499_200_123
    assert moments_of(sql, parameters, [present]) == (present, *(present + 1000 * each for each in seconds))


@pytest.mark.parametrize("expression", ["unixepoch('now', ?)", "datetime('now', ?)"])
def test_a_moment_that_a_function_makes_is_told(clock: SQLiteClock, expression: str) -> None:
    skip_without_unixepoch(expression)
    told: list[Any] = []
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        clock.show_on(db, told)
        assert db.execute(f"SELECT {expression}", ("+60 seconds",)).fetchone()[0] == told[1]


@pytest.mark.parametrize("setting", ["PRAGMA trusted_schema = OFF", "pragma trusted_schema(0)"])
@pytest.mark.parametrize("way", ["execute", "executescript"])
def test_a_schema_that_is_not_trusted_sees_virtual_time(path: str, setting: str, way: str) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            getattr(db, way)(setting)
            db.execute("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING")

    verdict = check(job, settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT * FROM log").fetchall() == [("2030-01-01 13:00:00",)]


def test_a_connection_that_is_kept_trusts_no_schema_afterwards(path: str) -> None:
    kept: list[sqlite3.Connection] = []

    def job() -> None:
        kept[:] = [sqlite3.connect(path, check_same_thread=False)]
        kept[0].execute("PRAGMA trusted_schema = OFF")
        kept[0].execute("DELETE FROM log")

    check(job, faults=["duplicate"], settings=QUICK)
    with contextlib.closing(kept.pop()) as db:
        assert db.execute("PRAGMA trusted_schema").fetchone() == (0,)
