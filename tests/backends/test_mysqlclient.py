"""mysqlclient's statements are steps, its waits are virtual, and nothing of what it gives is lost on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.trace import Happening
from jobchaos.core.verdict import Verdict
from tests.backends.mysql import ACCESS, Database, mysql_databases
from tests.probes.conftest import Watch, full, seen, watch

MySQLdb = pytest.importorskip("MySQLdb", reason="mysqlclient is not installed: it has to be compiled")
cursors = pytest.importorskip("MySQLdb.cursors")

from jobchaos.probes.mysqlclient import MySQLClientProbe  # noqa: E402 - with the driver only

__all__ = ["full", "mysql_databases", "watch"]
SHORT = {"connect_timeout": 3, "read_timeout": 5}


@pytest.fixture
def database(mysql_databases: tuple[Database, Database]) -> Database:
    database, _ = mysql_databases
    database.reset(
        "CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(9))",
        "INSERT INTO orders VALUES (7, 'new'), (8, 'new')",
        "CREATE PROCEDURE orders_like (IN wanted VARCHAR(9)) SELECT id FROM orders WHERE status = wanted ORDER BY id",
    )
    return database


# --- what is seen ----------------------------------------------------------------------------------------------------


def test_statements_are_steps(watch: Watch, database: Database) -> None:
    def job() -> None:
        with contextlib.closing(database.by_mysqlclient()) as db:
            cursor = db.cursor()
            cursor.execute("SELECT id, status FROM orders WHERE id = %s", (7,))
            cursor.execute("UPDATE orders SET status = %s WHERE id = %s", ("done", 7))
            cursor.execute("DELETE FROM orders WHERE id = 9")
            db.commit()

    assert seen(watch(job, "A", MySQLClientProbe())) == [
        "SELECT id, status FROM orders WHERE id = 7 -> (7, 'new')",
        "UPDATE orders SET status = 'done' WHERE id = 7 1 row",
        "DELETE FROM orders WHERE id = 9 0 rows",
        "COMMIT",
    ]


def reads(cursor: Any) -> Any:
    cursor.execute("SELECT id, status FROM orders ORDER BY id")
    return [column[0] for column in cursor.description], cursor.fetchone(), cursor.fetchall()


def reads_many(cursor: Any) -> Any:
    cursor.execute("SELECT id FROM orders ORDER BY id")
    return cursor.fetchmany(1), cursor.fetchmany(5), cursor.fetchall()


def reads_nothing(cursor: Any) -> Any:
    cursor.execute("SELECT id FROM orders WHERE id > 100")
    return cursor.fetchall(), cursor.fetchone()


def writes_many(cursor: Any) -> Any:
    cursor.executemany("INSERT INTO orders VALUES (%s, %s)", [(n, "more") for n in range(20, 25)])
    return cursor.rowcount, cursor.lastrowid


def updates_many(cursor: Any) -> Any:
    return cursor.executemany("UPDATE orders SET status = %s WHERE id = %s", [("a", 7), ("b", 8), ("c", 9)])


def calls(cursor: Any) -> Any:
    cursor.callproc("orders_like", ("new",))
    return cursor.fetchall(), cursor.nextset()


def asks_for_two(cursor: Any) -> Any:
    cursor.execute("SELECT 1; SELECT 2, 3")
    return cursor.fetchall(), cursor.nextset(), cursor.fetchall()


@pytest.mark.parametrize("use", [reads, reads_many, reads_nothing, writes_many, updates_many, calls, asks_for_two])
@pytest.mark.parametrize("kind", ["Cursor", "DictCursor", "SSCursor", "SSDictCursor"])
def test_cursors_give_what_they_give(watch: Watch, database: Database, use: Callable[[Any], Any], kind: str) -> None:
    given: list[Any] = []

    def job() -> None:
        with contextlib.closing(database.by_mysqlclient(cursorclass=getattr(cursors, kind))) as db:
            given.append(use(db.cursor()))

    watch(job, "A", MySQLClientProbe())
    job()
    assert given[0] == given[1]


# --- transactions ----------------------------------------------------------------------------------------------------

STATEMENTS = [
    "SELECT 1",
    "SELECT id FROM orders",
    "UPDATE orders SET status = 'x' WHERE id = 7",
    "COMMIT",
    "ROLLBACK",
    "BEGIN",
    "START TRANSACTION READ ONLY",
    "COMMIT AND CHAIN",
    "ROLLBACK AND NO CHAIN",
    "SAVEPOINT here",
    "CREATE TABLE IF NOT EXISTS other (n INT)",
    "DROP TEMPORARY TABLE IF EXISTS passing",
    "DROP TABLE IF EXISTS other",
    "TRUNCATE orders",
    "INSERT INTO orders VALUES (7, 'again')",
    "SET @n = 1",
]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("before", STATEMENTS)
def test_it_is_known_whether_a_transaction_is_open(
    watch: Watch, database: Database, before: str, autocommit: bool
) -> None:
    """The server would say so, if it is MariaDB; mysqlclient keeps it to itself."""
    probe = MySQLClientProbe()
    told: dict[str, tuple[bool, bool]] = {}

    def job() -> None:
        for statement in STATEMENTS:
            with contextlib.closing(database.by_mysqlclient(autocommit=autocommit)) as db:
                for sql in (before, statement):
                    with contextlib.suppress(MySQLdb.IntegrityError, MySQLdb.OperationalError):
                        db.cursor().execute(sql)
                told[statement] = (probe.is_in_transaction(db), probe.ask(db, "SELECT @@in_transaction") == ((1,),))

    watch(job, "A", probe)
    assert {statement: known for statement, (known, really) in told.items() if known != really} == {}


def test_a_switch_to_autocommit_commits(watch: Watch, database: Database) -> None:
    def job() -> None:
        with contextlib.closing(database.by_mysqlclient()) as db:
            db.cursor().execute("UPDATE orders SET status = 'done' WHERE id = 7")
            db.autocommit(True)

    assert seen(watch(job, "A0!kill A", MySQLClientProbe()))[-1] == "COMMIT"
    assert database.run("SELECT status FROM orders WHERE id = 7") == (("done",),)


def test_what_nobody_commits_is_advice_also_if_nobody_closes_it(database: Database) -> None:
    def job() -> None:
        database.by_mysqlclient().cursor().execute("UPDATE orders SET status = 'done' WHERE id = 7")

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick"))
    assert "JC722" in {finding.code for finding in verdict.findings}


def test_a_connection_from_before_is_said(database: Database) -> None:
    with contextlib.closing(database.by_mysqlclient()) as db:
        verdict = check(lambda: db.cursor().execute("SELECT 1"), settings=Settings(profile="quick"))
    (finding,) = (finding for finding in verdict.findings if finding.code == "JC915")
    assert "uses a mysqlclient connection that was opened before the check" in finding.message


# --- a server that does not answer -----------------------------------------------------------------------------------


def marks_done(database: Database, **options: Any) -> None:
    with contextlib.closing(database.by_mysqlclient(**options)) as db:
        db.cursor().execute("UPDATE orders SET status = 'done' WHERE id = 7")
        db.commit()


def checked(job: Callable[[], object], within: float = 40, schedule: str | None = None) -> Verdict:
    settings = Settings(profile="quick", within=within, isolation="thread")
    return check(job, faults=["timeout"], settings=settings, schedule=schedule)


def raised(verdict: Verdict) -> list[str]:
    trace = verdict.findings[0].trace
    assert trace is not None
    return [event.detail for event in trace.events if event.happening is Happening.RAISED]


def really(call: Callable[[], object]) -> str:
    with pytest.raises(MySQLdb.Error) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def test_without_limits_it_is_found_with_what_to_set(database: Database) -> None:
    (finding,) = checked(lambda: marks_done(database)).findings
    assert (finding.code, str(finding.schedule)) == ("JC401", "A0!hang")
    assert finding.fix.startswith("MySQLdb.connect(..., connect_timeout=..., read_timeout=..., write_timeout=...) at ")


def test_with_limits_it_holds(database: Database) -> None:
    verdict = checked(lambda: marks_done(database, **SHORT))
    assert verdict.status == "holds", verdict.findings


def test_the_error_is_the_one_of_a_server_that_really_does_not_answer(database: Database) -> None:
    def job(unit: int = 20) -> None:
        marks_done(database, read_timeout=unit, connect_timeout=3)

    verdict = checked(job, within=1, schedule="A0!hang2")
    with contextlib.closing(database.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("UPDATE orders SET status = 'new' WHERE id = 7")
        real = really(lambda: job(1))
    assert raised(verdict) == [real]
    assert real.startswith("OperationalError: (2013, 'Lost connection to ")


def test_so_is_the_one_of_a_server_that_cannot_be_reached(database: Database, full: int) -> None:
    verdict = checked(lambda: marks_done(database, connect_timeout=20), within=1, schedule="A0!hang")
    access = {name: ACCESS[name] for name in ("host", "user", "password")}
    assert raised(verdict) == [really(lambda: MySQLdb.connect(**access, port=full, connect_timeout=1))]


def test_an_answer_that_is_too_late_was_given_all_the_same(database: Database) -> None:
    database.run("UPDATE orders SET status = '0' WHERE id = 7")

    def job() -> None:
        with contextlib.closing(database.by_mysqlclient(autocommit=True, **SHORT)) as db:
            db.cursor().execute("UPDATE orders SET status = status + 1 WHERE id = 7")

    assert {finding.code for finding in checked(job).findings if finding.gates} == {"JC413"}


@pytest.mark.parametrize("way", ["USE", "select_db"])
def test_another_database_of_the_server_is_restored(mysql_databases: tuple[Database, Database], way: str) -> None:
    own, other = mysql_databases
    other.reset("CREATE TABLE t (n INT)", "INSERT INTO t VALUES (0)")

    def job() -> None:
        with contextlib.closing(own.by_mysqlclient()) as db:
            db.cursor().execute(f"USE {other.name}") if way == "USE" else db.select_db(other.name)
            db.cursor().execute("UPDATE t SET n = n + 1")
            db.commit()

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick"))
    assert [finding.code for finding in verdict.findings] == ["JC103"]
    assert other.run("SELECT n FROM t") == ((1,),)
