"""psycopg's pipelines, and `executemany`, which makes one: their statements are steps, and wait for locks in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.backends.conftest import Create

QUICK = Settings(profile="quick", isolation="thread")
TAKE, PAY = "UPDATE users SET points = points - 10 WHERE id = 1", "INSERT INTO paid VALUES (7) ON CONFLICT DO NOTHING"


@pytest.fixture(scope="module")
def database(new_postgres: Create) -> str:
    return new_postgres("pipelines")


@pytest.fixture
def dsn(database: str) -> str:
    begin_anew(database)
    return database


def begin_anew(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute("CREATE TABLE users (id int PRIMARY KEY, points int NOT NULL)")
        connection.execute("CREATE TABLE paid (id int PRIMARY KEY)")
        connection.execute("INSERT INTO users VALUES (1, 100), (2, 100)")


def codes(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


def labels(verdict: Verdict, code: str) -> list[str]:
    trace = next(finding.trace for finding in verdict.findings if finding.code == code)
    assert trace is not None
    return [effect.label for effect in trace.effects("A")]


@pytest.mark.parametrize("returning", [False, True])
def test_executemany_waits_for_locks_of_other_copies(dsn: str, returning: bool) -> None:
    def upserts() -> None:
        with psycopg.connect(dsn) as db, db.cursor() as cursor:
            query = "INSERT INTO paid VALUES (%s) ON CONFLICT DO NOTHING RETURNING id"
            cursor.executemany(query, [(7,), (8,)], returning=returning)

    verdict = check(upserts, faults=["concurrent"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


def test_executemany_without_a_transaction_is_one(dsn: str) -> None:
    def takes() -> None:
        with psycopg.connect(dsn, autocommit=True) as db, db.cursor() as cursor:
            cursor.executemany("UPDATE users SET points = points - 10 WHERE id = %s", [(1,), (2,)])

    verdict = check(takes, faults=["crash"], settings=QUICK)
    assert codes(verdict) == {"JC303": "A3!kill A"}
    assert labels(verdict, "JC303")[2] == "COMMIT"


@pytest.mark.parametrize(("lock", "found"), [("", {"JC203": "A2 B A"}), (" FOR UPDATE", {})])
def test_a_transaction_in_a_pipeline(dsn: str, lock: Any, found: dict[str, str]) -> None:
    def takes_once() -> None:
        with psycopg.connect(dsn) as db, db.pipeline():
            row = db.execute("SELECT points FROM users WHERE id = 1" + lock).fetchone()
            if row == (100,):
                db.execute(TAKE)
                db.execute(PAY)

    assert codes(check(takes_once, settings=QUICK)) == found


def test_statements_up_to_a_sync_are_one_transaction(dsn: str) -> None:
    def takes(*, at_once: bool) -> Callable[[], None]:
        def job() -> None:
            with psycopg.connect(dsn, autocommit=True) as db, db.pipeline() as pipeline:
                db.execute("UPDATE users SET points = points - 10 WHERE id = 1 AND NOT EXISTS (SELECT FROM paid)")
                if not at_once:
                    pipeline.sync()
                db.execute(PAY)

        return job

    assert codes(check(takes(at_once=True), faults=["crash"], settings=QUICK)) == {
        "JC303": "A1!terminate A"  # psycopg syncs on its way out, and a kill does not
    }
    begin_anew(dsn)
    verdict = check(takes(at_once=False), faults=["crash"], settings=QUICK)
    assert codes(verdict) == {"JC303": "A2!kill A"}
    assert [label.partition(" ")[0] for label in labels(verdict, "JC303")[:2]] == ["UPDATE", "COMMIT"]


def test_a_block_in_a_pipeline_does_not_begin_with_what_came_before_it(dsn: str) -> None:
    def takes() -> None:
        with psycopg.connect(dsn, autocommit=True) as db, db.pipeline():
            db.execute(TAKE)
            with db.transaction():
                db.execute(PAY)

    verdict = check(takes, faults=["crash"], settings=QUICK)
    assert codes(verdict) == {"JC303": "A2!kill A"}
    assert [label.partition(" ")[0] for label in labels(verdict, "JC303")[2:]][:3] == ["UPDATE", "COMMIT", "BEGIN"]


def test_a_statement_that_fails_takes_its_transaction_along(dsn: str) -> None:
    def inserts() -> None:
        with psycopg.connect(dsn, autocommit=True) as db, db.pipeline():
            db.execute(TAKE)
            db.execute("INSERT INTO paid VALUES (7)")

    verdict = check(inserts, faults=["concurrent"], settings=QUICK)
    assert [finding.code for finding in verdict.findings] == ["JC701"], verdict


def test_who_is_not_answered_in_a_pipeline_gives_up_when_the_server_does(dsn: str) -> None:
    def takes(*, timeout: bool) -> Callable[[], None]:
        def job() -> None:
            options = "-c statement_timeout=5000" if timeout else "-c statement_timeout=0"
            with psycopg.connect(dsn, options=options) as db, db.cursor() as cursor:
                cursor.executemany("INSERT INTO paid VALUES (%s) ON CONFLICT DO NOTHING", [(7,), (8,)])

        return job

    assert check(takes(timeout=True), faults=["timeout"], settings=QUICK).status == "holds"
    begin_anew(dsn)
    assert codes(check(takes(timeout=False), faults=["timeout"], settings=QUICK)) == {"JC401": "A1!hang"}


def test_a_coroutine_in_a_pipeline_that_dies_leaves_no_warning(dsn: str) -> None:
    async def takes() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as db, db.pipeline():
            await db.execute(TAKE)
            await db.execute(PAY)

    for token in ("A1!kill A", "A1!lost A", "A2!lost A", "A2!kill A"):
        check(takes, settings=QUICK, schedule=token)
