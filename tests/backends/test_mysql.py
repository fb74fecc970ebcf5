"""PyMySQL's statements are steps, locks wait in virtual time, and a database comes back as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors
import pytest

from jobchaos.checking import check
from jobchaos.core.effect import Mode
from jobchaos.core.settings import Settings
from jobchaos.core.snapshot import Row
from jobchaos.core.trace import Happening
from jobchaos.errors import UnsafeRestoreError, UsageError
from jobchaos.probes.pymysql import PyMySQLProbe
from jobchaos.stores.mysql import MySQLStore
from jobchaos.stores.mysql_driver import Session
from tests.backends.mysql import ACCESS, Database, mysql_databases
from tests.probes.conftest import Watch, effects, seen, watch

__all__ = ["mysql_databases", "watch"]


@pytest.fixture
def database(mysql_databases: tuple[Database, Database]) -> Database:
    database, _ = mysql_databases
    database.reset(
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, at TIMESTAMP(6) NULL, twice INT AS (n * 2) STORED)",
        "CREATE TABLE child (t_id INT, note VARBINARY(9), price DECIMAL(9, 2), day DATE,"
        " FOREIGN KEY (t_id) REFERENCES t (id))",
        "INSERT INTO t (id, n) VALUES (1, 10)",
        "INSERT INTO child VALUES (1, x'ff00', 9.90, '2020-02-29'), (1, x'ff00', 9.90, '2020-02-29')",
    )
    return database


# --- the store -------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(database: Database) -> Iterator[MySQLStore]:
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    yield store
    store.close()
    assert database.run(f"SHOW DATABASES LIKE 'jobchaos\\_shadow\\_{os.getpid()}\\_%'") == ()


def rows(store: MySQLStore, table: str) -> tuple[Row, ...]:
    return tuple(store.snapshot().tables[table].rows)


def test_rows_numbers_and_references_come_back(store: MySQLStore, database: Database) -> None:
    before = store.snapshot()
    assert rows(store, "child") == ((1, b"\xff\x00", "9.90", "2020-02-29"),) * 2
    database.run("DELETE FROM child", "DELETE FROM t", "INSERT INTO t (n) VALUES (7), (8)")
    assert rows(store, "t") == ((2, 7, None, 14), (3, 8, None, 16))
    held = store.hold()
    store.restore()
    assert store.snapshot().same_as(before)
    database.run("INSERT INTO t (n) VALUES (9)")
    assert rows(store, "t")[-1][:2] == (2, 9), "the server counts on from where it was"
    store.put_back(held)
    assert rows(store, "t") == ((2, 7, None, 14), (3, 8, None, 16))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE words SET text = 'ANN' WHERE word = 'a'",
        "UPDATE words SET text = NULL",
        "UPDATE words SET word = 'A' WHERE word = 'a'",
        "UPDATE words SET number = 3 - number WHERE number < 3",
        "UPDATE words SET seen = '2020-01-01 00:00:00.000001'",
        "DELETE FROM words",
        "INSERT INTO words VALUES ('d', 1, 4, 'new', NULL)",
        "UPDATE measures SET value = value + 1e-9",
        "UPDATE measures SET rough = rough * 1.0000002",
        "UPDATE loose SET n = 3",
        "DELETE FROM loose LIMIT 1",
    ],
)
def test_whatever_differs_comes_back(database: Database, change: str) -> None:
    database.run(
        "CREATE TABLE words (word VARCHAR(9), part INT, number INT, text TEXT,"
        " seen DATETIME(6), PRIMARY KEY (word, part))",
        "CREATE TABLE measures (id INT PRIMARY KEY, value DOUBLE, rough FLOAT)",
        "CREATE TABLE loose (n INT)",
        "INSERT INTO words VALUES ('a', 1, 1, 'ann', NULL), ('b', 1, 2, NULL, '2020-01-01'), ('b', 2, 3, 'bob', NULL)",
        "INSERT INTO measures VALUES (1, 0.1, 1.5), (2, 0.2, 2.5)",
        "INSERT INTO loose VALUES (1), (1), (2)",
    )
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    before = store.snapshot()
    database.run(change)
    assert not store.snapshot().same_as(before)
    held = store.hold()
    store.restore()
    assert store.snapshot().same_as(before)
    store.put_back(held)
    assert not store.snapshot().same_as(before)
    store.restore()
    assert store.snapshot().same_as(before)
    store.close()


def test_what_the_servers_clock_gave_is_no_difference(store: MySQLStore, database: Database) -> None:
    database.run("UPDATE t SET at = NOW(6)")
    assert rows(store, "t") == ((1, 10, "(server time)", 20),)


def test_so_are_its_decimal_numbers_since_the_epoch(database: Database) -> None:
    database.run("CREATE TABLE marks (at decimal(20, 6))", "INSERT INTO marks VALUES (7)")
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    database.run("INSERT INTO marks VALUES (UNIX_TIMESTAMP(NOW(6)))")
    assert sorted(rows(store, "marks")) == [("(server time)",), ("7.000000",)]
    store.close()


def test_what_triggers_write_comes_back_too(database: Database) -> None:
    database.run("CREATE TRIGGER log AFTER INSERT ON t FOR EACH ROW INSERT INTO child (t_id) VALUES (NEW.id)")
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    before = store.snapshot()
    database.run("INSERT INTO t (n) VALUES (5)", "UPDATE t SET n = 0")
    store.restore()
    assert store.snapshot().same_as(before)
    store.close()


@pytest.mark.parametrize("change", ["SELECT NEXTVAL(numbers)", "SELECT SETVAL(numbers, 500)", "DROP SEQUENCE numbers"])
def test_sequences_go_back(database: Database, change: str) -> None:
    database.run("CREATE SEQUENCE numbers", "DO NEXTVAL(numbers)")
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    store.announce(f"sql:mysql://{ACCESS['host']}:{ACCESS['port']}/{database.name}/@unknown")
    for _ in range(2):
        assert database.run("SELECT NEXTVAL(numbers)") == ((2,),)
        held = store.hold()
        database.run(change)
        store.put_back(held)
        assert database.run("SELECT NEXTVAL(numbers)") == ((3,),)
        store.restore()
    store.close()


PERIOD = (
    ", begun TIMESTAMP(6) GENERATED ALWAYS AS ROW START, ended TIMESTAMP(6) GENERATED ALWAYS AS ROW END, "
    "PERIOD FOR SYSTEM_TIME (begun, ended)"
)


@pytest.mark.parametrize("period", ["", PERIOD], ids=["hidden", "shown"])
def test_a_table_that_keeps_its_history_has_its_rows_back(database: Database, period: str) -> None:
    database.run(
        f"CREATE TABLE kept (id INT PRIMARY KEY, n INT{period}) WITH SYSTEM VERSIONING",
        "CREATE TRIGGER noting AFTER UPDATE ON kept FOR EACH ROW INSERT INTO child (t_id) VALUES (1)",
        "INSERT INTO kept (id, n) VALUES (1, 0)",
    )
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    assert rows(store, "kept") == ((1, 0),)
    database.run("UPDATE kept SET n = 1", "INSERT INTO kept (id, n) VALUES (2, 0)")
    assert rows(store, "kept") == ((1, 1), (2, 0))
    store.restore()
    assert rows(store, "kept") == ((1, 0),)
    store.close()


def test_what_cannot_be_captured_leaves_no_shadow(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MySQLStore({**ACCESS, "database": database.name})
    monkeypatch.setattr(store, "hold", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.capture()
    store.close()
    assert database.run(f"SHOW DATABASES LIKE 'jobchaos\\_shadow\\_{os.getpid()}\\_%'") == ()


def test_a_database_that_is_not_for_tests_is_refused_before_anything_is_changed(database: Database) -> None:
    name = f"jobchaos_production_{os.getpid()}"
    database.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}", f"CREATE TABLE {name}.precious (id INT)")
    database.run(f"INSERT INTO {name}.precious VALUES (1)")
    store = MySQLStore({**ACCESS, "database": name})
    with pytest.raises(UnsafeRestoreError) as refusal:
        store.capture()
    host = ACCESS["host"]
    assert f"the database '{name}' on {host} is not plainly a test resource" in str(refusal.value)
    assert f"@pytest.mark.jobchaos(allow=['{host}/{name}'])" in str(refusal.value)
    store.restore()
    store.close()
    assert database.run(f"SELECT id FROM {name}.precious") == ((1,),)
    assert database.run(f"SHOW DATABASES LIKE 'jobchaos\\_shadow\\_{os.getpid()}\\_%'") == ()
    allowed = MySQLStore({**ACCESS, "database": name}, allow=[name])
    allowed.capture()
    allowed.close()
    database.run(f"DROP DATABASE {name}")


@pytest.mark.parametrize(("told", "shown"), [("10.2.44-MariaDB", "10.3 or newer"), ("5.7.44", "8.0 or newer")])
def test_a_server_that_is_too_old_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch, told: str, shown: str
) -> None:
    genuine = Session.run
    monkeypatch.setattr(Session, "run", lambda self, sql: ((told,),) if "VERSION()" in sql else genuine(self, sql))
    with pytest.raises(UsageError, match=f"{told}, which is too old: {shown}"):
        MySQLStore({**ACCESS, "database": database.name})


def test_unusual_types_come_back_and_are_told_apart(database: Database) -> None:
    database.run(
        "CREATE TABLE odd (b BIT(3), p POINT, j JSON, y YEAR, t TIME(3), e ENUM('a', 'b'), s SET('x', 'y'), f FLOAT,"
        " c CHAR(3) COLLATE utf8mb4_bin, m DECIMAL(30, 10))",
        "INSERT INTO odd VALUES (b'101', POINT(1, 2), '{\"a\": 1}', 2020, '-01:02:03.004', 'b', 'x,y', 0.5, 'Ab', 1e9)",
        "INSERT INTO odd (y) VALUES (NULL)",
    )
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    before = store.snapshot()
    for change in ("b = b'111'", "p = POINT(1, 3)", "j = '{}'", "t = '01:02:03'", "e = 'a'", "s = 'x'", "c = 'AB'"):
        database.run(f"UPDATE odd SET {change} WHERE y = 2020")
        assert not store.snapshot().same_as(before), change
        store.restore()
        assert store.snapshot().same_as(before), change
    store.close()


SCHEMA = (
    "CREATE TRIGGER log AFTER INSERT ON t FOR EACH ROW BEGIN SET @last = NEW.id; SET @count = 1; END",
    "CREATE VIEW dear AS SELECT * FROM child WHERE price > 5",
    "CREATE TABLE `odd ``name` (a ENUM('x', 'it''s') NOT NULL DEFAULT 'x', KEY (a)) COMMENT 'AUTO_INCREMENT=7 is no'",
    "INSERT INTO `odd ``name` VALUES ('it\\'s')",
)


@pytest.mark.parametrize(
    "change",
    [
        ("DROP TABLE child",),
        ("DROP TABLE child, t",),
        ("DROP TRIGGER log", "DROP VIEW dear", "DROP TABLE `odd ``name`"),
        ("ALTER TABLE t ADD COLUMN more INT NOT NULL DEFAULT 3", "UPDATE t SET n = 0"),
        ("ALTER TABLE t DROP COLUMN twice, DROP COLUMN n", "INSERT INTO t () VALUES ()"),
        ("ALTER TABLE `odd ``name` DROP KEY a",),
        ("CREATE TABLE other (n INT)", "INSERT INTO other VALUES (1)", "CREATE VIEW others AS SELECT * FROM other"),
        ("RENAME TABLE child TO children",),
        ("TRUNCATE child",),
    ],
)
def test_what_a_job_does_to_the_schema_is_undone(database: Database, change: tuple[str, ...]) -> None:
    database.run(*SCHEMA)
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    store.announce(f"sql:mysql://{ACCESS['host']}:{ACCESS['port']}/{database.name}/@unknown")
    before, defined = store.snapshot(), store._definitions.read()
    assert len(defined) == 5
    database.run(*change)
    after, redefined = store.snapshot(), store._definitions.read()
    held = store.hold()
    store.restore()
    assert store.snapshot().same_as(before)
    assert store._definitions.read() == defined
    store.put_back(held)
    assert store.snapshot().same_as(after)
    assert store._definitions.read() == redefined
    store.restore()
    assert store.snapshot().same_as(before)
    store.close()


def test_a_database_that_a_job_has_dropped_comes_back(database: Database) -> None:
    database.run(*SCHEMA, f"ALTER DATABASE `{database.name}` CHARACTER SET latin1")
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    store.announce(f"sql:mysql://{ACCESS['host']}:{ACCESS['port']}/{database.name}/@unknown")
    before = store.snapshot()
    with pymysql.connect(**ACCESS, autocommit=True) as connection:
        connection.cursor().execute(f"DROP DATABASE `{database.name}`")
    store.restore()
    assert store.snapshot().same_as(before)
    assert "latin1" in database.run(f"SHOW CREATE DATABASE `{database.name}`")[0][1]
    store.close()


@pytest.mark.thorough
def test_a_job_that_changes_the_schema_is_checked_like_any_other(database: Database) -> None:
    def archives() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS archive LIKE child")
            cursor.execute("INSERT INTO archive SELECT * FROM child")
            cursor.execute("DELETE FROM child")
            connection.commit()

    def drops() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE child")

    quick = Settings(profile="quick")
    assert check(archives, faults=["duplicate", "crash"], settings=quick).status == "holds"
    assert database.run("SELECT COUNT(*) FROM archive") == ((2,),)
    database.run("INSERT INTO child SELECT * FROM archive", "DROP TABLE archive")
    assert check(drops, faults=["crash"], settings=quick).status == "holds"
    assert database.run("SHOW TABLES LIKE 'child'") == (), "as one clean run leaves it"


def test_a_connection_that_the_test_has_left_open_is_named(database: Database, store: MySQLStore) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        store._session.run("SET lock_wait_timeout = 0, innodb_lock_wait_timeout = 0")
        cursor.execute("UPDATE t SET n = 5")
        with pytest.raises(UsageError, match=r"is locked by a connection outside the check.*even a SELECT"):
            store._session.run("UPDATE t SET n = 6")
        connection.rollback()


# --- the probe -------------------------------------------------------------------------------------------------------


def test_statements_are_steps_and_only_a_commit_lasts(watch: Watch, database: Database) -> None:
    def job() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT n FROM t WHERE id = %s", (1,))
            cursor.execute("UPDATE t SET n = 11 WHERE id = 1")
            connection.commit()

    run = watch(job, "A", PyMySQLProbe())
    assert seen(run) == ["SELECT n FROM t WHERE id = 1 -> 10", "UPDATE t SET n = 11 WHERE id = 1 1 row", "COMMIT"]
    assert [effect.durable for effect in effects(run)] == [False, False, True]


@pytest.mark.parametrize("isolation", ["auto", "process"])
def test_a_connection_from_before_is_another_one_in_each_process(database: Database, isolation: str) -> None:
    """A fixture's or a global's: neither death nor a lost line outlives the worker, and the test still has it."""

    def sets() -> None:
        before.cursor().execute("UPDATE t SET n = 5 WHERE id = 1")
        before.commit()

    def adds() -> None:
        before.cursor().execute("UPDATE t SET n = n + 1 WHERE id = 1")
        before.commit()

    def found(job: Any, family: str) -> dict[str, str]:
        verdict = check(job, faults=[family], settings=Settings(profile="quick", isolation=isolation))
        return {finding.code: finding.confirmed for finding in verdict.findings if finding.gates}

    with database.connect() as before:
        assert found(sets, "crash") == {}
        assert found(adds, "crash") == {"JC303": "with a real SIGKILL"}
        assert list(found(adds, "retry")) == ["JC503" if isolation == "process" else "JC504"]  # nobody opens it anew
        assert list(found(sets, "concurrent")) == ([] if isolation == "process" else ["JC912"])
        before.ping(reconnect=False)


@pytest.mark.parametrize(
    "statement",
    ["begin", "START TRANSACTION", "SET autocommit = 1", "CREATE TABLE IF NOT EXISTS u (n INT)", "LOCK TABLES t WRITE"],
)
def test_what_commits_without_saying_so_is_a_commit(watch: Watch, database: Database, statement: str) -> None:
    def job() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE t SET n = 11 WHERE id = 1")
            if statement == "begin":
                connection.begin()
            else:
                cursor.execute(statement)

    run = watch(job, "A", PyMySQLProbe())
    commit = effects(run)[1]
    assert commit.label == f"COMMIT (implied by {statement.partition(' ')[0].upper()})"
    assert commit.durable
    assert commit.touches[0].resource.endswith("/t/id=1")
    assert database.run("SELECT n FROM t WHERE id = 1") == ((11,),)


def test_what_ends_no_transaction_is_no_commit(watch: Watch, database: Database) -> None:
    def job() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            connection.begin()
            cursor.execute("UPDATE t SET n = 11 WHERE id = 1")
            for statement in ("SAVEPOINT here", "SET @n = 1", "CREATE TEMPORARY TABLE passing (n INT)"):
                cursor.execute(statement)
            connection.commit()

    labels = [effect.label for effect in effects(watch(job, "A", PyMySQLProbe()))]
    assert [label for label in labels if label.startswith("COMMIT")] == ["COMMIT"]


@pytest.mark.parametrize("kind", ["Cursor", "DictCursor", "SSCursor", "SSDictCursor"])
def test_cursors_of_every_kind_give_what_they_give(watch: Watch, database: Database, kind: str) -> None:
    given: list[Any] = []

    def job() -> None:
        options = {"cursorclass": getattr(pymysql.cursors, kind)}
        with database.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, n FROM t ORDER BY id")
            given.append(cursor.fetchall())

    watch(job, "A", PyMySQLProbe())
    job()
    assert given[0]
    assert given[0] == given[1]


def test_replace_deletes_what_is_in_its_way(watch: Watch, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    database.run("CREATE TABLE marks (name INT PRIMARY KEY, n INT)")

    def job() -> None:
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("REPLACE INTO marks VALUES (%s, %s)", (1, 2))
            cursor.execute("replace into t (id, n) VALUES (2, 2)")

    mark, row = effects(watch(job, "A", PyMySQLProbe()))
    assert [touch.resource.rpartition("/")[2] for touch in mark.touches if touch.mode is Mode.WRITE] == ["name=1"]
    touched = {touch.resource.rpartition("/")[2]: touch.mode for touch in row.touches}
    assert touched["t"] is Mode.WRITE
    assert touched["child"] is Mode.READ  # it refers to the row that may be deleted
    assert caplog.records == []  # sqlglot does not know the statement, and would say so


def test_a_killed_worker_is_rolled_back_and_its_session_is_gone_before_the_next_step(
    watch: Watch, database: Database
) -> None:
    def job() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE t SET n = n + 1 WHERE id = 1")
            connection.commit()

    run = watch(job, "A1!kill A", PyMySQLProbe())
    assert run.copies["A"].completed
    assert Happening.BLOCKED not in [event.happening for event in run.trace.events]
    assert database.run("SELECT n FROM t WHERE id = 1") == ((11,),)


def test_a_lock_that_is_never_freed_ends_in_virtual_time(watch: Watch, database: Database) -> None:
    holder = database.connect()
    holder.cursor().execute("UPDATE t SET n = 0 WHERE id = 1")
    told: list[Any] = []

    def job() -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 40")
            try:
                cursor.execute("UPDATE t SET n = n + 1 WHERE id = 1")
            except pymysql.err.OperationalError as error:
                told.append(error.args)

    watch(job, "A", PyMySQLProbe())
    assert told == [(1205, "Lock wait timeout exceeded; try restarting transaction")]
    assert watch.clock.now() == 40 * 10**9
    holder.close()


def test_rows_of_a_file_wait_for_locks_in_the_schedule(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("1,7\n")

    def job() -> None:
        with database.connect(local_infile=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' REPLACE INTO TABLE n FIELDS TERMINATED BY ','")
            connection.commit()

    database.run("CREATE TABLE n (id INT PRIMARY KEY, n INT)")
    verdict = check(job, faults=["concurrent"], settings=Settings(profile="full", guard=10))
    assert verdict.status == "holds", verdict.findings


def test_a_table_without_transactions_is_named(database: Database) -> None:
    database.run("CREATE TABLE log (id INT) ENGINE = MyISAM")

    def job() -> None:
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO log VALUES (1)")

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick"))
    (finding,) = (finding for finding in verdict.findings if finding.code == "JC919")
    assert "uses the table log, whose engine MyISAM knows no transactions" in finding.message
