"""What a statement has changed, if anything, and that those which change nothing are as good as reads."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from jobchaos.core.effect import Effect
from jobchaos.core.trace import Happening
from jobchaos.explore.independence import dependent
from jobchaos.probes.sqlite import SQLiteProbe
from jobchaos.probes.sqlite_catalog import Catalog
from jobchaos.probes.sqlite_changes import Changes
from tests.probes.conftest import Watch
from tests.probes.test_independent_statements import TABLES, Statement, catalog, effect_of, start, statements

__all__ = ["catalog", "start"]  # fixtures

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, points);
INSERT INTO users VALUES (1, 'Ann', 5), (2, NULL, 1.5);
CREATE TABLE codes (code TEXT PRIMARY KEY, n INTEGER);
INSERT INTO codes VALUES ('a', 1);
CREATE TABLE pairs (a INTEGER, b TEXT, n, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO pairs VALUES (1, 'x', 1);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, n UNIQUE);
INSERT INTO counted (n) VALUES (1);
CREATE TABLE watched (id INTEGER PRIMARY KEY, n);
INSERT INTO watched VALUES (1, 1);
CREATE TABLE log (n);
CREATE TRIGGER noted AFTER UPDATE ON watched BEGIN INSERT INTO log VALUES (new.n); END;
CREATE TRIGGER tried BEFORE INSERT ON watched BEGIN INSERT INTO log VALUES (new.n); END;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
    return path


@pytest.fixture
def told(watch: Watch, path: Path) -> Callable[..., list[bool]]:
    """Runs what uses a connection as a job; tells of each step whether it may have changed anything."""

    def told(work: Callable[[sqlite3.Connection], object], **options: object) -> list[bool]:
        def job() -> None:
            db = sqlite3.connect(path, **options)  # type: ignore[call-overload]
            with contextlib.closing(db):
                work(db)

        run = watch(job, "A", SQLiteProbe(watch.bindings))
        return [event.changed for event in run.trace.events if event.happening is Happening.EFFECT]

    return told


Told = Callable[..., list[bool]]


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("INSERT INTO users VALUES (3, 'Bob', 1)", True),
        ("INSERT OR IGNORE INTO users VALUES (1, 'Bob', 1)", False),
        ("INSERT OR IGNORE INTO codes VALUES ('a', 2)", False),
        ("INSERT INTO users VALUES (1, 'Bob', 1) ON CONFLICT DO NOTHING", False),
        ("INSERT INTO users VALUES (1, 'Bob', 1) ON CONFLICT (id) DO UPDATE SET points = 5", False),
        ("INSERT INTO users VALUES (1, 'Bob', 1) ON CONFLICT (id) DO UPDATE SET points = points + 1", True),
        ("REPLACE INTO users VALUES (1, 'Ann', 5)", False),
        ("INSERT OR REPLACE INTO pairs VALUES (1, 'x', 1)", False),
        ("INSERT OR REPLACE INTO pairs VALUES (1, 'x', 2)", True),
        ("UPDATE users SET points = 5 WHERE id = 1", False),
        ("UPDATE users SET points = 6 WHERE id = 1", True),
        ("UPDATE users SET points = 5.0 WHERE id = 1", True),  # equal, but not the same
        ("UPDATE users SET points = '5' WHERE id = 1", True),
        ("UPDATE users SET name = NULL WHERE id = 2", False),
        ("UPDATE users SET name = '' WHERE id = 2", True),
        ("UPDATE users SET points = 6 WHERE id = 7", False),
        ("UPDATE users SET points = 6 WHERE points > 100", False),
        ("UPDATE users SET points = points", True),  # so many rows are not compared
        ("UPDATE users SET id = 1 WHERE id = 1", True),  # nor where keys may change
        ("UPDATE codes SET n = 1 WHERE code = 'a'", False),
        ("UPDATE codes SET rowid = 5 WHERE code = 'a'", True),
        ("DELETE FROM users WHERE id = 7", False),
        ("DELETE FROM users WHERE id = 1", True),
        ("DELETE FROM users", True),
        ("INSERT OR IGNORE INTO counted (n) VALUES (1)", True),  # its sequence may have gone on
        ("UPDATE watched SET n = 1 WHERE id = 1", True),  # its trigger writes
        ("INSERT OR IGNORE INTO watched VALUES (1, 2)", True),
        ("DELETE FROM watched WHERE id = 7", False),
        ("CREATE TABLE IF NOT EXISTS users (id)", True),  # nobody can tell
    ],
)
def test_what_has_changed_anything(told: Told, path: Path, sql: str, changed: bool) -> None:
    before = dump(path)
    assert told(lambda db: db.execute(sql), isolation_level=None) == [changed]
    assert changed or dump(path) == before


def dump(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def test_a_refused_statement_has_changed_nothing(told: Told) -> None:
    def work(db: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.IntegrityError):
            db.execute("INSERT INTO users (id) VALUES (1)")

    assert told(work, isolation_level=None) == [False]


def test_one_that_changes_some_rows_before_it_is_refused_may_have_changed_them(told: Told) -> None:
    def work(db: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.IntegrityError):
            db.execute("INSERT OR FAIL INTO users (id) VALUES (3), (1)")

    assert told(work, isolation_level=None) == [True]


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 35), reason="RETURNING came with 3.35")
def test_one_that_returns_rows_is_not_counted_before_its_end(told: Told) -> None:
    def work(db: sqlite3.Connection) -> None:
        for end in ("SET points = 7 WHERE id = 1", "SET points = points", "SET points = 7 WHERE id = 1"):
            db.execute(f"UPDATE users {end} RETURNING id").fetchall()

    assert told(work, isolation_level=None) == [True, True, False]  # but the one row is compared


def test_a_commit_changes_what_its_statements_have_changed(told: Told) -> None:
    def work(db: sqlite3.Connection) -> None:
        for points in (5, 6):
            db.execute("UPDATE users SET name = 'Ann' WHERE id = 1")
            db.execute("UPDATE users SET points = ? WHERE id = 1", (points,))
            db.commit()

    # The first statement begins the transaction, and is looked at before that; the others are in it.
    assert told(work) == [False, False, False, False, True, True]


def test_a_transaction_is_not_begun_by_a_look(told: Told) -> None:
    """After a look, it would have to be upgraded to write, which fails at once if somebody else has written."""

    def work(db: sqlite3.Connection) -> None:
        db.execute("BEGIN")
        db.execute("UPDATE users SET points = 5 WHERE id = 1")
        db.execute("UPDATE users SET points = 5 WHERE id = 1")
        db.execute("COMMIT")

    assert told(work, isolation_level=None) == [True, True, False, True]


def test_a_rolled_back_change_is_forgotten(told: Told) -> None:
    def work(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM users")
        db.rollback()
        db.execute("DELETE FROM users WHERE id = 7")
        db.commit()

    assert told(work) == [True, False, False]


def test_attached_databases_and_temporary_triggers_make_it_unsure(told: Told, tmp_path: Path) -> None:
    def attaching(db: sqlite3.Connection) -> None:
        db.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
        db.execute("DELETE FROM users WHERE id = 7")

    def triggering(db: sqlite3.Connection) -> None:
        db.execute("CREATE TEMP TRIGGER later AFTER UPDATE ON users BEGIN DELETE FROM codes; END")
        db.execute("UPDATE users SET points = 5 WHERE id = 1")

    assert told(attaching, isolation_level=None)[-1]
    assert told(triggering, isolation_level=None)[-1]


def test_the_jobs_own_factories_and_converters_stay_out_of_it(told: Told) -> None:
    def refuse(*_: object) -> object:
        raise AssertionError("not asked by the job")

    sqlite3.register_converter("guarded", refuse)

    def work(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE guarded (id INTEGER PRIMARY KEY, what guarded)")
        db.execute("INSERT INTO guarded VALUES (1, ?)", ("\udcff".encode("utf-8", "surrogatepass"),))
        db.text_factory = refuse
        db.row_factory = refuse
        db.execute("UPDATE guarded SET what = what WHERE id = 1")
        assert db.text_factory is refuse

    options = {"isolation_level": None, "detect_types": sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES}
    assert told(work, **options) == [True, True, False]


# --- the proof -------------------------------------------------------------------------------------------------------


class Two:
    """Two connections to a copy of a database, with `Changes` watching each."""

    def __init__(self, catalog: Catalog, start: sqlite3.Connection, pragmas: str, folder: Path) -> None:
        self._catalog = catalog
        path = folder / "copy.db"
        self.connections = [sqlite3.connect(path, isolation_level=None) for _ in range(2)]
        start.backup(self.connections[0])
        for db in self.connections:
            db.executescript(f"PRAGMA synchronous = OFF; {pragmas}")
        self._changes = [Changes(db, db.cursor) for db in self.connections]

    def run(self, place: int, statement: Statement) -> tuple[bool, tuple[object, ...]]:
        """Whether a statement may have changed anything, and what it has given."""
        sql, parameters = statement
        db, changes = self.connections[place], self._changes[place]
        known = self._catalog.statement(sql, parameters)
        cursor = db.cursor()
        call = functools.partial(cursor.execute, sql, parameters)
        changes.last = True
        try:
            if known.is_counted:
                rows: object = changes.watch(known, (parameters,), call, may_look=True).fetchall()
            else:
                rows = call().fetchall()
        except sqlite3.Error as error:
            rows = str(error)
        return changes.last, (rows, cursor.rowcount)

    def dump(self) -> list[str]:
        return list(self.connections[0].iterdump())

    def close(self) -> None:
        for db in self.connections:
            db.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copies")


@contextlib.contextmanager
def two(catalog: Catalog, start: sqlite3.Connection, pragmas: str, folder: Path) -> Iterator[Two]:
    with contextlib.closing(Two(catalog, start, pragmas, folder)) as made:
        yield made


PRAGMAS = st.sampled_from(["", "PRAGMA foreign_keys = ON;", "PRAGMA recursive_triggers = ON;"])
thoroughly = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@thoroughly
@given(st.sampled_from(sorted(TABLES)).flatmap(statements), PRAGMAS)
def test_what_is_said_to_change_nothing_changes_nothing(
    catalog: Catalog, start: sqlite3.Connection, folder: Path, statement: Statement, pragmas: str
) -> None:
    with two(catalog, start, pragmas, folder) as both:
        before = both.dump()
        changed, _ = both.run(0, statement)
        event(f"changed: {changed}")
        assert changed or both.dump() == before


@thoroughly
@given(
    st.sampled_from(sorted(TABLES)).flatmap(lambda table: st.lists(statements(table), min_size=2, max_size=2)), PRAGMAS
)
def test_statements_that_are_independent_as_they_turned_out_commute(
    catalog: Catalog, start: sqlite3.Connection, folder: Path, pair: list[Statement], pragmas: str
) -> None:
    effects: list[Effect] = []
    with two(catalog, start, pragmas, folder) as both:
        results = []
        for place in (0, 1):
            changed, result = both.run(place, pair[place])
            effect = effect_of(catalog, pair[place])
            effects.append(effect if changed else effect.in_vain())
            results.append(result)
        after = both.dump()
    assume(any(effect.touches != effect_of(catalog, one).touches for effect, one in zip(effects, pair, strict=True)))
    assume(not dependent(*effects))
    with two(catalog, start, pragmas, folder) as both:
        assert [both.run(place, pair[place])[1] for place in (1, 0)] == results[::-1]
        assert both.dump() == after
