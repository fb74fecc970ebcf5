"""asyncpg: statements, transactions, pools, cursors, COPY, locks, limits and death, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from jobchaos import Job
from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from jobchaos.errors import MissingExtraError
from jobchaos.probes.asyncpg_protocol import AsyncpgProtocol
from jobchaos.stores import postgres_session
from tests.backends.conftest import Create

QUICK = Settings(profile="quick", isolation="thread")
met: list[str] = []
"""What jobs have met."""


@pytest.fixture(autouse=True)
def nothing_met() -> None:
    met.clear()


def note(text: str) -> None:
    """A function of its own: what a job itself refers to is restored with the rest."""
    met.append(text)


@pytest.fixture(scope="module")
def database(new_postgres: Create) -> str:
    return new_postgres("asyncpg")


@pytest.fixture
def access(database: str) -> Iterator[dict[str, Any]]:
    with psycopg.connect(database) as db:
        db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        db.execute("CREATE TABLE users (id int PRIMARY KEY, points int NOT NULL)")
        db.execute("CREATE TABLE log (line text)")
        db.execute("INSERT INTO users VALUES (1, 0), (2, 0)")
    parts = psycopg.conninfo.conninfo_to_dict(database)
    port = int(parts.get("port") or 5432)
    yield {
        "host": parts["host"],
        "port": port,
        "user": parts["user"],
        "database": parts["dbname"],
        "password": parts.get("password"),
        "command_timeout": 5,
    }
    gc.collect()
    with psycopg.connect(database, autocommit=True) as db:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for _ in range(1000):
            left = db.execute(others).fetchall()
            if not left:
                break
    assert left == []


def codes(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


def steps(verdict: Verdict) -> list[tuple[str, str]]:
    """Of the first finding, up to its first delivery's end."""
    trace = verdict.findings[0].trace
    assert trace is not None
    first = [event for event in trace.events if event.copy == "A" and event.attempt == 1]
    return [(event.effect.label, event.detail) for event in first if event.effect is not None]


def test_a_job_without_guard_is_found_in_every_way(access: dict[str, Any]) -> None:
    async def adds() -> None:
        db = await asyncpg.connect(**access)
        points = await db.fetchval("SELECT points FROM users WHERE id = $1", 1)
        await db.execute("UPDATE users SET points = $1 WHERE id = $2", points + 1, 1)
        await db.close()

    verdict = check(adds, settings=Settings(profile="quick"))
    assert codes(verdict) == {
        "JC103": "A A",
        "JC203": "A B",
        "JC303": "A2!kill A",
        "JC503": "A1!lost",
        "JC413": "A2!hang",  # while it is closed
    }
    assert steps(verdict) == [
        ("SELECT points FROM users WHERE id = 1", "-> 0"),
        ("UPDATE users SET points = 1 WHERE id = 1", "1 row"),
    ]
    crash = next(finding for finding in verdict.findings if finding.code == "JC303")
    assert crash.confirmed == "with a real SIGKILL"


def test_a_lost_update_is_found_and_a_lock_prevents_it(access: dict[str, Any]) -> None:
    async def adds(amount: int, lock: str) -> None:
        db = await asyncpg.connect(**access)
        async with db.transaction():
            points = await db.fetchval(f"SELECT points FROM users WHERE id = 1{lock}")
            await db.execute("UPDATE users SET points = $1 WHERE id = 1", points + amount)
        await db.close()

    broken = check(Job(adds, 1, ""), Job(adds, 2, ""), settings=QUICK)
    assert codes(broken) == {"JC205": "A2 B A"}, broken.findings
    sound = check(Job(adds, 1, " FOR UPDATE"), Job(adds, 2, " FOR UPDATE"), settings=QUICK)
    assert sound.status == "holds", sound.findings


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_sound_job_holds_under_everything(access: dict[str, Any], isolation: Any) -> None:
    async def sets() -> None:
        db = await asyncpg.connect(**access)
        try:
            async with db.transaction():
                await db.execute("UPDATE users SET points = 5 WHERE id = 1")
                many = [(number, 7) for number in (5, 6)]
                await db.executemany("INSERT INTO users VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", many)
        finally:
            await db.close()

    verdict = check(sets, settings=Settings(profile="quick", isolation=isolation))
    assert verdict.status == "holds", verdict.findings
    assert {family.name for family in verdict.families} == {"duplicate", "concurrent", "crash", "timeout", "retry"}


def test_a_dead_worker_changes_nothing(access: dict[str, Any]) -> None:
    async def marks() -> None:
        db = await asyncpg.connect(**access)
        try:
            async with db.transaction():
                await db.execute("UPDATE users SET points = points + 1 WHERE id = 1")
                await db.execute("UPDATE users SET points = points + 1 WHERE id = 2")
        finally:
            await db.execute("INSERT INTO log VALUES ('done')")
            await db.close()

    for kill in ("A1!kill A", "A3!kill A"):
        verdict = check(marks, faults=["crash"], settings=QUICK, schedule=kill)
        assert verdict.status == "holds", verdict.findings
    verdict = check(marks, faults=["crash"], settings=QUICK)
    assert codes(verdict) == {"JC303": "A4!kill A"}


def test_pools_cursors_and_copy_are_steps_and_what_asyncpg_asks_itself_is_none(access: dict[str, Any]) -> None:
    async def job() -> None:
        async with asyncpg.create_pool(**access, min_size=1, max_size=1) as pool:
            async with pool.acquire() as db, db.transaction():
                await db.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
                assert [row["id"] async for row in db.cursor("SELECT id FROM users ORDER BY id")] == [1, 2]
                assert await db.fetchval("SELECT ARRAY['a', 'b']::text[]") == ["a", "b"]
            async with pool.acquire() as db:
                await db.copy_records_to_table("log", records=[("one",)], columns=["line"])
                await db.executemany("INSERT INTO log VALUES ($1)", [("two",), ("three",)])

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == {"JC103": "A A"}
    labels = [label for label, _ in steps(verdict)]
    assert labels == [
        "BEGIN",
        "SELECT id FROM users ORDER BY id",
        "SELECT ARRAY['a', 'b']::text[]",
        "COMMIT",
        "COPY log(line) FROM STDIN (FORMAT binary)",
        "INSERT INTO log VALUES ('two') and 1 more",
    ]


def test_tasks_of_one_job_may_wait_for_each_others_locks(access: dict[str, Any]) -> None:
    async def job() -> None:
        async with asyncpg.create_pool(**access, min_size=3, max_size=3) as pool:

            async def one(number: int) -> None:
                async with pool.acquire() as db, db.transaction():
                    await db.fetchrow("SELECT FROM users WHERE id = 1 FOR UPDATE")
                    await asyncio.sleep(1)
                    await db.execute("UPDATE users SET points = 3 WHERE id = $1", number)

            await asyncio.gather(one(1), one(1), one(2))

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


@pytest.mark.parametrize("granularity", ["effect", "await"])
def test_deadlocks_and_serialization_failures_reach_the_job(access: dict[str, Any], granularity: Any) -> None:
    async def adds(isolation: Any, *users: int) -> None:
        db = await asyncpg.connect(**access)
        try:
            async with db.transaction(isolation=isolation):
                for user in users:
                    await db.execute("UPDATE users SET points = points + 1 WHERE id = $1", user)
        except asyncpg.PostgresError as error:
            note(error.sqlstate)
            raise
        finally:
            await db.close()

    settings = Settings(profile="quick", kills=0, granularity=granularity)
    crossed = check(Job(adds, None, 1, 2), Job(adds, None, 2, 1), settings=settings)
    assert crossed.status == "holds", crossed.findings
    assert set(met) == {"40P01"}
    met.clear()
    straight = check(Job(adds, "repeatable_read", 1), Job(adds, "repeatable_read", 1), settings=settings)
    assert straight.status == "holds", straight.findings
    assert set(met) == {"40001"}


def test_limits_pass_in_virtual_time(access: dict[str, Any]) -> None:
    options = {**access, "command_timeout": 7200, "server_settings": {"statement_timeout": "0"}}

    async def job() -> None:
        db, other = await asyncpg.connect(**options), await asyncpg.connect(**options)
        waits = "UPDATE users SET points = 1 WHERE id = 1"
        loop = asyncio.get_running_loop()
        async with db.transaction():
            await db.execute(waits)
            start = loop.time()
            try:
                await other.execute(waits, timeout=3600)
            except asyncio.TimeoutError:
                note(f"asyncpg gave up after {loop.time() - start:.0f} s")
            for limit in ("lock_timeout", "statement_timeout"):
                await other.execute(f"SET {limit} = '5000s'")
                try:
                    await other.execute(waits)
                except asyncpg.PostgresError as error:
                    note(str(error))
                await other.execute("RESET ALL; SET statement_timeout = 0")
        await other.close()
        await db.close()

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert set(met) == {
        "asyncpg gave up after 3600 s",
        "canceling statement due to lock timeout",
        "canceling statement due to statement timeout",
    }


def test_a_server_that_does_not_answer_is_given_up_as_asyncpg_does(access: dict[str, Any]) -> None:
    async def job(timeout: float | None) -> None:
        options = {**access, "command_timeout": timeout, "server_settings": {"statement_timeout": "0"}}
        db = await asyncpg.connect(**options)
        try:
            async with db.transaction():
                await db.execute("UPDATE users SET points = 1 WHERE id = 1")
        except (asyncpg.PostgresError, asyncio.TimeoutError) as error:
            note(type(error).__name__)
            raise
        finally:
            await db.close()

    sound = check(Job(job, 5), faults=["timeout"], settings=QUICK)
    assert sound.status == "holds", sound.findings
    assert set(met) == {"TimeoutError"}
    broken = check(Job(job, None), faults=["timeout"], settings=QUICK)
    assert list(codes(broken)) == ["JC401"], broken.findings
    assert "command_timeout=..." in broken.findings[0].fix


def test_notifications_come_and_a_cancelled_statement_leaves_the_connection_usable(access: dict[str, Any]) -> None:
    async def job() -> None:
        db, other = await asyncpg.connect(**access), await asyncpg.connect(**access)
        told: asyncio.Queue[str] = asyncio.Queue()
        await db.add_listener("news", lambda *news: told.put_nowait(news[-1]))
        await other.execute("SELECT pg_notify('news', 'hello')")
        assert await asyncio.wait_for(told.get(), 60) == "hello"
        async with db.transaction():
            await db.execute("UPDATE users SET points = 1 WHERE id = 1")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(other.execute("UPDATE users SET points = 2 WHERE id = 1"), 1)
        assert await other.fetchval("SELECT points FROM users WHERE id = 1") in (1, 2)
        await other.execute("UPDATE users SET points = 3 WHERE id = 1")
        await other.close()
        await db.close()

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


def test_an_engine_of_sqlalchemys_is_watched(access: dict[str, Any]) -> None:
    url = sa.URL.create("postgresql+asyncpg", access["user"], access["password"], database=access["database"])
    engine = create_async_engine(url.set(query={"host": access["host"], "port": str(access["port"])}))
    users = sa.table("users", sa.column("id"), sa.column("points"))

    async def adds(lock: bool) -> None:
        async with AsyncSession(engine) as session:
            query = sa.select(users.c.points).where(users.c.id == 1)
            if await session.scalar(query.with_for_update() if lock else query) == 0 or not lock:
                await session.execute(users.update().where(users.c.id == 1).values(points=users.c.points + 10))
            await session.commit()

    assert codes(check(Job(adds, False), faults=["duplicate"], settings=QUICK)) == {"JC103": "A A"}
    with psycopg.connect(**_plain(access)) as db:
        db.execute("UPDATE users SET points = 0")
    faults = ["duplicate", "concurrent", "crash"]
    verdict = check(Job(adds, True), faults=faults, settings=Settings(profile="quick"))
    assert verdict.status == "holds", verdict.findings


def test_an_event_loop_of_somebody_elses_is_told(access: dict[str, Any]) -> None:
    uvloop = pytest.importorskip("uvloop", reason="there is none for Windows")

    async def adds() -> None:
        db = await asyncpg.connect(**access)
        await db.execute("INSERT INTO log VALUES ('one')")
        await db.close()

    def job() -> None:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(adds())
        loop.close()

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "inconclusive"
    assert "driver:asyncpg" in next(finding.message for finding in verdict.findings if finding.code == "JC905")


def test_a_connection_from_before_is_told(access: dict[str, Any]) -> None:
    loop = asyncio.new_event_loop()
    before = loop.run_until_complete(asyncpg.connect(**access))

    def adds() -> None:
        loop.run_until_complete(before.execute("INSERT INTO log VALUES ('one')"))

    def copies() -> None:
        loop.run_until_complete(before.copy_records_to_table("log", records=[("one",)], columns=["line"]))

    for job in (adds, copies):
        verdict = check(job, faults=["duplicate"], settings=QUICK)
        assert verdict.status == "inconclusive"
        assert "driver:asyncpg" in next(finding.message for finding in verdict.findings if finding.code == "JC905")
    loop.run_until_complete(before.close())
    loop.close()


def _plain(access: dict[str, Any]) -> dict[str, Any]:
    names = {"host": "host", "port": "port", "user": "user", "database": "dbname", "password": "password"}
    return {names[name]: value for name, value in access.items() if name in names}


def test_nothing_stays_in_place_and_a_driver_without_event_loop_is_asked_for(
    access: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []

    async def keeps() -> None:
        kept.append(await asyncpg.connect(**access))
        await kept[-1].execute("UPDATE users SET points = 1 WHERE id = 1")

    before = dict(vars(asyncpg.Connection))
    assert check(keeps, faults=["duplicate"], settings=QUICK).status == "holds"
    assert dict(vars(asyncpg.Connection)) == before
    assert not any(isinstance(db._protocol, AsyncpgProtocol) for db in kept)
    assert all(db.is_closed() for db in kept)

    def missing(_dsn: str) -> Any:
        raise MissingExtraError("a PostgreSQL database needs psycopg or psycopg2")

    monkeypatch.setattr(postgres_session, "connect", missing)
    with pytest.raises(MissingExtraError, match="needs psycopg"):
        check(keeps, faults=["duplicate"], settings=QUICK)
