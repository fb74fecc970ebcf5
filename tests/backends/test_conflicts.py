"""What servers refuse for the sake of isolation reaches the job under its own code, and its message comes again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import psycopg2
import pymysql
import pytest

from jobchaos.checking import check
from jobchaos.core.job import Job
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.backends.drivers import DIALECTS, databases, driver, mysql_databases, schema
from tests.backends.site import here

__all__ = ["databases", "driver", "mysql_databases", "schema"]
DEADLOCK: dict[str, object] = {"postgres": "40P01", "mysql": 1213}
LOCK_TIMEOUT: dict[str, object] = {"postgres": "55P03", "mysql": 1205}
UNSERIALIZABLE = "40001"
QUICK = Settings(profile="quick", isolation="thread")  # so that what the jobs note comes home
ACCOUNTS = "SELECT balance FROM accounts ORDER BY id"
DOCTORS = "SELECT on_call FROM doctors ORDER BY id"

each_driver = pytest.mark.parametrize("driver", list(DIALECTS), indirect=True)
each_of_postgres = pytest.mark.parametrize("driver", ["psycopg", "psycopg2"], indirect=True)

refused: list[object] = []
"""The codes under which the server has refused transactions."""


@pytest.fixture(autouse=True)
def nothing_refused() -> None:
    refused.clear()


def code_of(error: Exception) -> object:
    """The server's code, wherever the driver puts it."""
    if isinstance(error.args[0], int):
        return error.args[0]
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def tried(transaction: Callable[..., None], *args: object) -> None:
    """Note why it is refused. A function of its own: what a job itself refers to is restored with the rest."""
    try:
        transaction(*args)
    except Exception as error:
        refused.append(code_of(error))
        raise


def once(transaction: Callable[..., None], *args: object) -> None:
    """Let the queue deliver again what is refused."""
    tried(transaction, *args)


def again_and_again(transaction: Callable[..., None], *args: object) -> None:
    """Let the queue see nothing of what is refused."""
    for _ in range(5):
        with contextlib.suppress(psycopg.OperationalError, psycopg2.OperationalError, pymysql.err.OperationalError):
            return tried(transaction, *args)
    raise AssertionError("refused without end")


def moves(source: int, target: int) -> None:
    with here().transaction() as run:
        run("UPDATE accounts SET balance = balance - 10 WHERE id = %s", source)
        run("UPDATE accounts SET balance = balance + 10 WHERE id = %s", target)


def adds(amount: int) -> None:
    with here().transaction("REPEATABLE READ") as run:
        ((balance,),) = run("SELECT balance FROM accounts WHERE id = 1")
        run("UPDATE accounts SET balance = %s WHERE id = 1", balance + amount)


def goes_off_call(doctor: int) -> None:
    with here().transaction("SERIALIZABLE") as run:
        if len(run("SELECT id FROM doctors WHERE on_call = 1")) > 1:
            run("UPDATE doctors SET on_call = 0 WHERE id = %s", doctor)


def overlapping(delivery: Callable[..., None], transaction: Callable[..., None], *args: tuple[Any, ...]) -> Verdict:
    return check(*(Job(delivery, transaction, *each) for each in args), settings=QUICK)


def rows(query: str) -> list[Any]:
    with here().transaction() as run:
        return [row[0] for row in run(query)]


deliveries = pytest.mark.parametrize("delivery", [once, again_and_again])


@deliveries
@each_driver
def test_locks_in_opposite_order_are_a_deadlock_of_the_server(driver: str, delivery: Callable[..., None]) -> None:
    verdict = overlapping(delivery, moves, (1, 2), (2, 1))
    assert verdict.status == "holds", verdict.findings
    assert set(refused) == {DEADLOCK[DIALECTS[driver]]}
    assert rows(ACCOUNTS) == [100, 100]


@deliveries
@each_of_postgres
@pytest.mark.usefixtures("driver")
def test_an_update_of_what_has_changed_since_is_a_serialization_failure(delivery: Callable[..., None]) -> None:
    verdict = overlapping(delivery, adds, (10,), (5,))
    assert verdict.status == "holds", verdict.findings
    assert set(refused) == {UNSERIALIZABLE}
    assert rows(ACCOUNTS) == [115, 100]


@deliveries
@each_of_postgres
@pytest.mark.usefixtures("driver")
def test_a_write_skew_is_a_serialization_failure(delivery: Callable[..., None]) -> None:
    verdict = overlapping(delivery, goes_off_call, (1,), (2,))
    assert verdict.status == "holds", verdict.findings
    assert set(refused) == {UNSERIALIZABLE}
    assert sorted(rows(DOCTORS)) == [0, 1]


@deliveries
@pytest.mark.parametrize("driver", ["pymysql", "mysqlclient"], indirect=True)
@pytest.mark.usefixtures("driver")
def test_a_write_skew_is_a_deadlock_of_mariadb(delivery: Callable[..., None]) -> None:
    """There, serializable transactions lock what they read."""
    verdict = overlapping(delivery, goes_off_call, (1,), (2,))
    assert verdict.status == "holds", verdict.findings
    assert set(refused) == {DEADLOCK["mysql"]}
    assert sorted(rows(DOCTORS)) == [0, 1]


@each_driver
def test_a_deadlock_counts_against_the_executions_that_the_queue_grants(driver: str) -> None:
    """So what holds above does so because of redeliveries."""
    settings = Settings(profile="quick", isolation="thread", attempts=1)
    verdict = check(Job(once, moves, 1, 2), Job(once, moves, 2, 1), settings=settings)
    assert [finding.code for finding in verdict.findings if finding.gates] == ["JC204"]
    assert set(refused) == {DEADLOCK[DIALECTS[driver]]}


def adds_although_it_waits() -> None:
    """The second transaction waits for the first, which waits for the second: no server can see that."""
    with here().transaction() as run:
        run("UPDATE accounts SET balance = 5 WHERE id = 1")
        with contextlib.suppress(psycopg.OperationalError, psycopg2.OperationalError, pymysql.err.OperationalError):
            tried(waits)


def waits() -> None:
    with here().transaction() as run:
        if here().dialect == "postgres":
            run("SET LOCAL lock_timeout = '20s'")
        run("UPDATE accounts SET balance = 6 WHERE id = 1")


@each_driver
def test_a_wait_that_takes_too_long_ends_as_the_server_ends_it(driver: str) -> None:
    verdict = check(adds_although_it_waits, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert set(refused) == {LOCK_TIMEOUT[DIALECTS[driver]]}
    assert rows(ACCOUNTS) == [5, 100]
