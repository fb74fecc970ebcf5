"""A driver that cannot be watched is named, unless the user says which state it is that it changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from jobchaos import FunctionStore
from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.backends.mysql import ACCESS, mysql_databases

__all__ = ["mysql_databases"]

OWN = {name: value for name, value in ACCESS.items() if name != "ssl_disabled"}
QUICK = Settings(profile="quick")
INSERT = "INSERT INTO sent VALUES (1)"


def access_of(dsn: str) -> dict[str, Any]:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    names = {"host": parts["host"], "user": parts["user"], "database": parts["dbname"]}
    return {**names, "port": int(parts.get("port") or 5432), "password": parts.get("password")}


def by_pg8000(dsn: str) -> Callable[[], Any]:
    dbapi = pytest.importorskip("pg8000.dbapi", reason="pg8000 is not installed")
    access = access_of(dsn)
    if access["host"].startswith("/"):
        access["unix_sock"] = f"{access.pop('host')}/.s.PGSQL.{access.pop('port')}"

    def job() -> None:
        with contextlib.closing(dbapi.connect(**access)) as db:
            db.cursor().execute(INSERT)
            db.commit()

    return job


def by_mariadb(database: str) -> Callable[[], Any]:
    mariadb = pytest.importorskip("mariadb", reason="mariadb is not installed: it has to be compiled")

    def job() -> None:
        with mariadb.connect(**OWN, database=database) as db, db.cursor() as cursor:
            cursor.execute(INSERT)
            db.commit()

    return job


def by_mysql_connector(database: str) -> Callable[[], Any]:
    connector = pytest.importorskip("mysql.connector", reason="mysql-connector-python is not installed")
    if not connector.HAVE_CEXT:
        pytest.skip("mysql-connector-python is here without its part in C")

    def job() -> None:
        with contextlib.closing(connector.connect(**OWN, database=database, use_pure=False)) as db:
            db.cursor().execute(INSERT)
            db.commit()

    return job


class Sent:
    """A table, as the test itself reads and clears it."""

    def __init__(self, run: Callable[[str], Any]) -> None:
        self._run = run
        run("DROP TABLE IF EXISTS sent")
        run("CREATE TABLE sent (user_id INT)")

    def rows(self) -> int:
        ((count,),) = self._run("SELECT count(*) FROM sent")
        return int(count)

    def clear(self) -> None:
        self._run("DELETE FROM sent")


def on_postgres(dsn: str) -> Callable[[str], Any]:
    def run(sql: str) -> Any:
        with psycopg.connect(dsn, autocommit=True) as db:
            cursor = db.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    return run


JOBS = {"pg8000": by_pg8000, "mariadb": by_mariadb, "mysql.connector": by_mysql_connector}


@pytest.fixture(params=list(JOBS))
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(driver: str, request: pytest.FixtureRequest) -> tuple[Callable[[], Any], Sent]:
    """A job that adds a row each time, and its table."""
    if driver in ("mariadb", "mysql.connector"):
        database, _ = request.getfixturevalue("mysql_databases")
        return JOBS[driver](database.name), Sent(database.run)
    dsn = request.getfixturevalue("new_postgres")("unwatched")
    return JOBS[driver](dsn), Sent(on_postgres(dsn))


def test_it_is_named(driver: str, case: tuple[Callable[[], Any], Sent]) -> None:
    job, _ = case
    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "inconclusive"
    (finding,) = (finding for finding in verdict.findings if finding.code == "JC905")
    assert f"touches driver:{driver}, which no store captures" in finding.message


def test_with_a_store_of_the_users_it_is_checked(driver: str, case: tuple[Callable[[], Any], Sent]) -> None:
    job, sent = case
    store = FunctionStore(snapshot=sent.rows, reset=sent.clear, covers=[f"driver:{driver}"])
    verdict = check(job, faults=["duplicate"], stores=[store], settings=QUICK)
    assert {finding.code for finding in verdict.findings if finding.gates} == {"JC103"}, verdict.findings
