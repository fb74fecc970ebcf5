"""Jobs on SQL servers, each broken one with its sound twin; most of them for PostgreSQL and MariaDB alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobchaos.core.job import Job
from tests.backends.site import here

SCHEMA = (
    "CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL)",
    "CREATE TABLE doctors (id INT PRIMARY KEY, on_call INT NOT NULL)",
    "CREATE TABLE tasks (id INT PRIMARY KEY, status VARCHAR(10) NOT NULL)",
    "CREATE TABLE results (task_id INT NOT NULL, note VARCHAR(20))",
    "CREATE TABLE receipts (order_id INT PRIMARY KEY, times INT NOT NULL)",
    "INSERT INTO accounts VALUES (1, 100), (2, 100)",
    "INSERT INTO doctors VALUES (1, 1), (2, 1)",
    "INSERT INTO tasks VALUES (1, 'new'), (2, 'new')",
)


@dataclass(frozen=True)
class Case:
    """One job, or different ones that overlap.

    Attributes:
        name: What it is about.
        jobs: The jobs.
        code: What is to be found; empty for a sound one.
        dialects: Where it means what it should.
    """

    name: str
    jobs: tuple[Callable[[], Any] | Job, ...]
    code: str = ""
    dialects: tuple[str, ...] = ("postgres", "mysql")

    def __str__(self) -> str:
        return self.name


# --- lost update -----------------------------------------------------------------------------------------------------


def adds_by_value(amount: int) -> None:
    with here().transaction() as run:
        ((balance,),) = run("SELECT balance FROM accounts WHERE id = 1")
        run("UPDATE accounts SET balance = %s WHERE id = 1", balance + amount)


def adds_under_a_lock(amount: int) -> None:
    with here().transaction() as run:
        ((balance,),) = run("SELECT balance FROM accounts WHERE id = 1 FOR UPDATE")
        run("UPDATE accounts SET balance = %s WHERE id = 1", balance + amount)


def adds_in_the_server(amount: int) -> None:
    with here().transaction() as run:
        run("UPDATE accounts SET balance = balance + %s WHERE id = 1", amount)


# --- write skew ------------------------------------------------------------------------------------------------------


def goes_off_call(doctor: int, level: str, lock: str = "") -> None:
    with here().transaction(level) as run:
        on_call = run(f"SELECT id FROM doctors WHERE on_call = 1 ORDER BY id{lock}")
        if len(on_call) > 1:
            run("UPDATE doctors SET on_call = 0 WHERE id = %s", doctor)


def _off(level: str, lock: str = "") -> tuple[Job, Job]:
    return Job(goes_off_call, 1, level, lock), Job(goes_off_call, 2, level, lock)


# --- a queue in a table ----------------------------------------------------------------------------------------------


def drains_without_a_lock() -> None:
    _drain("")


def drains_and_skips_locked() -> None:
    _drain(" FOR UPDATE SKIP LOCKED")


def drains_and_waits() -> None:
    _drain(" FOR UPDATE")


def _drain(lock: str) -> None:
    found = True
    while found:
        with here().transaction() as run:
            rows = run(f"SELECT id FROM tasks WHERE status = 'new' ORDER BY id LIMIT 1{lock}")
            found = bool(rows)
            for (task,) in rows:
                run("INSERT INTO results VALUES (%s, 'done')", task)
                run("UPDATE tasks SET status = 'done' WHERE id = %s", task)


# --- advisory locks --------------------------------------------------------------------------------------------------


def inserts_under_an_advisory_lock() -> None:
    with here().transaction() as run:
        run("SELECT pg_advisory_xact_lock(7)")
        if not run("SELECT 1 FROM results WHERE task_id = 7"):
            run("INSERT INTO results VALUES (7, 'paid')")


def frees_its_advisory_lock_too_early() -> None:
    with here().transaction() as run:
        run("SELECT pg_advisory_lock(7)")
        paid = run("SELECT 1 FROM results WHERE task_id = 7")
        run("SELECT pg_advisory_unlock(7)")
        if not paid:
            run("INSERT INTO results VALUES (7, 'paid')")


def gives_up_without_the_advisory_lock() -> None:
    with here().transaction() as run:
        ((got,),) = run("SELECT pg_try_advisory_xact_lock(7)")
        if not got:
            raise RuntimeError("somebody else does it; try again")
        if not run("SELECT 1 FROM results WHERE task_id = 7"):
            run("INSERT INTO results VALUES (7, 'paid')")


def inserts_under_a_named_lock() -> None:
    with here().transaction() as run:
        run("SELECT GET_LOCK('jobchaos_7', 30)")
        paid = run("SELECT 1 FROM results WHERE task_id = 7")
        if not paid:
            run("INSERT INTO results VALUES (7, 'paid')")
        run("COMMIT")
        run("SELECT RELEASE_LOCK('jobchaos_7')")


def frees_its_named_lock_too_early() -> None:
    with here().transaction() as run:
        run("SELECT GET_LOCK('jobchaos_7', 30)")
        paid = run("SELECT 1 FROM results WHERE task_id = 7")
        run("SELECT RELEASE_LOCK('jobchaos_7')")
        if not paid:
            run("INSERT INTO results VALUES (7, 'paid')")


# --- upserts ---------------------------------------------------------------------------------------------------------


def upserts_a_constant() -> None:
    with here().transaction() as run:
        run("INSERT INTO receipts VALUES (7, 1) ON CONFLICT (order_id) DO NOTHING")


def upserts_a_count() -> None:
    with here().transaction() as run:
        run("INSERT INTO receipts VALUES (7, 1) ON CONFLICT (order_id) DO UPDATE SET times = receipts.times + 1")


def upserts_on_duplicate_key() -> None:
    with here().transaction() as run:
        run("INSERT INTO receipts VALUES (7, 1) ON DUPLICATE KEY UPDATE times = 1")


def counts_on_duplicate_key() -> None:
    with here().transaction() as run:
        run("INSERT INTO receipts VALUES (7, 1) ON DUPLICATE KEY UPDATE times = times + 1")


# --- a race for a unique key -----------------------------------------------------------------------------------------


def inserts_the_key_first() -> None:
    with here().transaction() as run:
        if not run("SELECT 1 FROM receipts WHERE order_id = 7"):
            run("INSERT INTO receipts VALUES (7, 1)")
            run("UPDATE accounts SET balance = balance - 10 WHERE id = 1")


def inserts_the_key_last() -> None:
    with here().transaction() as run:
        known = run("SELECT 1 FROM receipts WHERE order_id = 7")
    if not known:
        with here().transaction() as run:
            run("UPDATE accounts SET balance = balance - 10 WHERE id = 1")
        with contextlib.suppress(Exception), here().transaction() as run:
            run("INSERT INTO receipts VALUES (7, 1)")


# --- two databases ---------------------------------------------------------------------------------------------------


def transfers_between_databases() -> None:
    with here().transaction() as run:
        if run("SELECT 1 FROM receipts WHERE order_id = 7"):
            return
        run("UPDATE accounts SET balance = balance - 10 WHERE id = 1")
        run("INSERT INTO receipts VALUES (7, 1)")
    with here().others["bank"].transaction() as run:
        run("UPDATE accounts SET balance = balance + 10 WHERE id = 1")


def transfers_between_databases_by_a_key() -> None:
    with here().transaction() as run:
        if not run("SELECT 1 FROM receipts WHERE order_id = 7 FOR UPDATE"):
            run("INSERT INTO receipts VALUES (7, 1)")
            run("UPDATE accounts SET balance = balance - 10 WHERE id = 1")
    with here().others["bank"].transaction() as run:
        if not run("SELECT 1 FROM receipts WHERE order_id = 7 FOR UPDATE"):
            run("INSERT INTO receipts VALUES (7, 1)")
            run("UPDATE accounts SET balance = balance + 10 WHERE id = 1")


# --- deadlocks -------------------------------------------------------------------------------------------------------


def moves(source: int, target: int) -> None:
    with here().transaction() as run:
        run("UPDATE accounts SET balance = balance - 10 WHERE id = %s", source)
        run("UPDATE accounts SET balance = balance + 10 WHERE id = %s", target)


ALL = (
    Case("lost update", (Job(adds_by_value, 10), Job(adds_by_value, 5)), "JC205"),
    Case("lost update, locked", (Job(adds_under_a_lock, 10), Job(adds_under_a_lock, 5))),
    Case("lost update, in the server", (Job(adds_in_the_server, 10), Job(adds_in_the_server, 5))),
    Case("write skew, read committed", _off("READ COMMITTED"), "JC206"),
    Case("write skew, repeatable read", _off("REPEATABLE READ"), "JC206"),
    Case("write skew, serializable", _off("SERIALIZABLE")),
    Case("write skew, locked", _off("READ COMMITTED", " FOR UPDATE")),
    Case("queue without a lock", (drains_without_a_lock,), "JC203"),
    Case("queue, skip locked", (drains_and_skips_locked,)),
    Case("queue, waiting", (drains_and_waits,)),
    Case("advisory lock", (inserts_under_an_advisory_lock,), dialects=("postgres",)),
    Case("advisory lock freed too early", (frees_its_advisory_lock_too_early,), "JC203", dialects=("postgres",)),
    Case("advisory lock, given up", (gives_up_without_the_advisory_lock,), dialects=("postgres",)),
    Case("named lock", (inserts_under_a_named_lock,), dialects=("mysql",)),
    Case("named lock freed too early", (frees_its_named_lock_too_early,), "JC203", dialects=("mysql",)),
    Case("upsert, duplicate key", (upserts_on_duplicate_key,), dialects=("mysql",)),
    Case("upsert that counts, duplicate key", (counts_on_duplicate_key,), "JC103", dialects=("mysql",)),
    Case("upsert", (upserts_a_constant,), dialects=("postgres",)),
    Case("upsert that counts", (upserts_a_count,), "JC103", dialects=("postgres",)),
    Case("unique key first", (inserts_the_key_first,)),
    Case("unique key last", (inserts_the_key_last,), "JC203"),
    Case("two databases", (transfers_between_databases,), "JC303"),
    Case("two databases, by a key", (transfers_between_databases_by_a_key,)),
    Case("deadlock", (Job(moves, 1, 2), Job(moves, 2, 1))),
)
