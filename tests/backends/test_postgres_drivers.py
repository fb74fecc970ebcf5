"""psycopg with asyncio, SQLAlchemy, pools, cursors in the server, COPY, timeouts and death, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import psycopg2.extras
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from jobchaos.checking import check
from jobchaos.core.events import Event, ScheduleRun
from jobchaos.core.job import Job
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.backends.conftest import Create

if TYPE_CHECKING:
    from typing_extensions import LiteralString

QUICK = Settings(profile="quick", isolation="thread")


@pytest.fixture(scope="module")
def database(new_postgres: Create) -> str:
    return new_postgres("drivers")


@pytest.fixture
def dsn(database: str) -> Iterator[str]:
    with psycopg.connect(database) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute("CREATE TABLE users (id int PRIMARY KEY, points int NOT NULL)")
        connection.execute("CREATE TABLE log (line text)")
        connection.execute("INSERT INTO users VALUES (1, 0), (2, 0)")
    yield database
    with psycopg.connect(database, autocommit=True) as connection:
        nothing = left(
            connection,
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND (state LIKE 'idle in transaction%' OR state = 'active' OR application_name = 'jobchaos')",
        )
    assert nothing == []


def codes(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


def steps(verdict: Verdict) -> list[str]:
    trace = verdict.findings[0].trace
    assert trace is not None
    return [f"{effect.label}" for effect in trace.effects("A")]


def test_a_coroutine_job_is_seen_and_waits(dsn: str) -> None:
    async def adds(amount: int, lock: str) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as db, db.cursor() as cursor:
            await cursor.execute(f"SELECT points FROM users WHERE id = 1{lock}")
            row = await cursor.fetchone()
            assert row is not None
            await cursor.execute("UPDATE users SET points = %s WHERE id = 1", (row[0] + amount,))

    broken = check(Job(adds, 1, ""), Job(adds, 2, ""), settings=QUICK)
    assert codes(broken) == {"JC205": "A2 B A"}, broken.findings
    sound = check(Job(adds, 1, " FOR UPDATE"), Job(adds, 2, " FOR UPDATE"), settings=QUICK)
    assert sound.status == "holds", sound.findings


@pytest.mark.parametrize("profile", ["quick", pytest.param("full", marks=pytest.mark.thorough)])
def test_coroutines_of_one_loop_give_way_while_they_wait(dsn: str, profile: Literal["quick", "full"]) -> None:
    async def adds_once(lock: LiteralString) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as db:
            row = await (await db.execute(f"SELECT points FROM users WHERE id = 1{lock}")).fetchone()
            if row == (0,):
                await db.execute("UPDATE users SET points = points + 1 WHERE id = 1")

    settings = Settings(profile=profile, granularity="await", kills=0)
    broken = check(Job(adds_once, ""), faults=["concurrent"], settings=settings)
    assert list(codes(broken)) == ["JC203"], broken
    assert "memory" not in broken.findings[0].detail
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE users SET points = 0")
    sound = check(Job(adds_once, " FOR UPDATE"), faults=["concurrent"], settings=settings)
    assert sound.status == "holds", sound.findings


def test_coroutines_of_one_loop_have_the_servers_deadlocks_and_limits(dsn: str) -> None:
    async def adds(first: int, second: int) -> None:
        options = "-c lock_timeout=2000"
        async with await psycopg.AsyncConnection.connect(dsn, options=options) as db:
            await db.execute("UPDATE users SET points = points + 1 WHERE id = %s", (first,))
            await db.execute("UPDATE users SET points = points + 1 WHERE id = %s", (second,))

    settings = Settings(profile="quick", granularity="await", kills=0)
    verdict = check(Job(adds, 1, 2), Job(adds, 2, 1), settings=settings)
    assert verdict.status == "holds", verdict.findings


KEPT: dict[str, Any] = {}


def test_a_connection_that_copies_share_is_told(dsn: str) -> None:
    def upserts() -> None:
        if "db" not in KEPT:
            KEPT["db"] = psycopg2.connect(dsn)
        with KEPT["db"] as db, db.cursor() as cursor:
            cursor.execute("UPDATE users SET points = 5 WHERE id = 1")

    verdict = check(upserts, settings=QUICK, schedule="A A")
    assert verdict.status == "holds", verdict.findings
    KEPT.pop("db").close()
    verdict = check(upserts, settings=QUICK, schedule="A2 B A")
    assert list(codes(verdict)) == ["JC912"]
    KEPT.pop("db").close()


def test_tasks_of_one_coroutine_may_wait_for_each_other(dsn: str) -> None:
    async def job() -> None:
        async def one(number: int) -> None:
            async with await psycopg.AsyncConnection.connect(dsn) as db:
                await db.execute("UPDATE users SET points = %s WHERE id = 1", (number,))
                await asyncio.sleep(1)

        await asyncio.gather(one(1), one(1))

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_an_engines_pool_is_watched(dsn: str, driver: str) -> None:
    engine = sa.create_engine(sa.make_url(dsn_url(dsn, driver)), connect_args={"connect_timeout": 10})
    users = sa.table("users", sa.column("id"), sa.column("points"))

    def adds() -> None:
        with Session(engine) as session:
            points = session.scalar(sa.select(users.c.points).where(users.c.id == 1))
            session.execute(users.update().where(users.c.id == 1).values(points=(points or 0) + 10))
            session.commit()

    adds_once = sa.select(users.c.points).where(users.c.id == 1).with_for_update()

    def adds_if_new() -> None:
        with Session(engine) as session:
            if session.scalar(adds_once) == 0:
                session.execute(users.update().where(users.c.id == 1).values(points=10))
            session.commit()

    with engine.connect():  # a pool that was filled before
        pass
    assert codes(check(adds, faults=["duplicate"], settings=QUICK)) == {"JC103": "A A"}
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE users SET points = 0")
    verdict = check(adds_if_new, settings=Settings(profile="quick"))
    assert verdict.status == "holds", verdict.findings
    engine.dispose()


def test_what_coroutines_leave_in_an_engines_pool_is_closed(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = create_async_engine(dsn_url(dsn, "psycopg"))

    async def sets() -> None:
        async with engine.begin() as connection:
            await connection.execute(sa.text("UPDATE users SET points = 5 WHERE id = 1"))

    verdict = check(sets, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert caplog.messages == []  # what is logged keeps connections alive
    with psycopg.connect(dsn, autocommit=True) as connection:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert left(connection, others) == []


def dsn_url(dsn: str, driver: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    host = parts.get("host", "127.0.0.1")
    return f"postgresql+{driver}://{parts.get('user', 'postgres')}@/{parts['dbname']}?host={host}"


def test_cursors_in_the_server_copy_and_many_are_steps(dsn: str) -> None:
    def job() -> None:
        with psycopg.connect(dsn) as db:
            with db.cursor("mine") as served:
                served.execute("SELECT id FROM users ORDER BY id")
                assert [row[0] for row in served] == [1, 2]
            with db.cursor() as cursor, cursor.copy("COPY log (line) FROM STDIN") as copy:
                copy.write_row(("one",))
            with db.cursor() as cursor:
                cursor.executemany("INSERT INTO log VALUES (%s)", [("two",), ("three",)])
            with db.transaction():
                db.execute("UPDATE users SET points = points + 1 WHERE id = 1")

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == {"JC103": "A A"}
    told = steps(verdict)
    half = told[: len(told) // 2]
    assert half[0] == "BEGIN"
    assert half[-1] == "COMMIT"
    for text in (
        "SELECT id FROM users",
        "FETCH FORWARD",
        "COPY log",
        "INSERT INTO log VALUES ('two')",
        "SAVEPOINT",
        "UPDATE users",
    ):
        assert any(text in step for step in half), (text, half)


def test_cursors_of_psycopg2_are_asked_for_and_count_as_ever(dsn: str) -> None:
    def job() -> None:
        with contextlib.closing(psycopg2.connect(dsn)) as db, db, db.cursor() as cursor:
            with db.cursor("mine", psycopg2.extras.RealDictCursor) as served:
                served.execute("SELECT id FROM users ORDER BY id")
                assert [row["id"] for row in served] == [1, 2]
            cursor.executemany("UPDATE users SET points = %s WHERE id = %s", [(1, 1), (1, 2)])
            assert cursor.rowcount == 2
            cursor.execute("UPDATE users SET points = 1 WHERE id = 1")
            assert cursor.rowcount == 1

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


def test_a_lock_timeout_passes_in_virtual_time(dsn: str) -> None:
    waited: list[str] = []
    options = "-c statement_timeout=0 -c lock_timeout=3600000"

    def job() -> None:
        with psycopg.connect(dsn, options=options) as db:
            try:
                db.execute("UPDATE users SET points = 1 WHERE id = 1")
            except psycopg.errors.LockNotAvailable as error:
                waited.append(str(error))
                raise
            with psycopg.connect(dsn, options=options, autocommit=True) as other:
                try:
                    other.execute("UPDATE users SET points = 1 WHERE id = 1")
                except psycopg.errors.LockNotAvailable as error:
                    waited.append(str(error))

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert set(waited) == {"canceling statement due to lock timeout"}


def test_who_waits_for_himself_waits_for_ever(dsn: str) -> None:
    def job() -> None:
        unlimited = "-c statement_timeout=0"
        with psycopg.connect(dsn, options=unlimited) as db, psycopg.connect(dsn, options=unlimited) as other:
            db.execute("UPDATE users SET points = 1 WHERE id = 1")
            other.execute("UPDATE users SET points = 2 WHERE id = 1")

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    (finding,) = verdict.findings
    assert finding.code == "JC903"
    assert "waits for ever for a lock in" in finding.message


def test_a_connection_of_psycopg2_from_before_cannot_be_watched(dsn: str) -> None:
    before = psycopg2.connect(dsn)

    def job() -> None:
        with before.cursor() as cursor:
            cursor.execute("SELECT 1")
        before.rollback()
        with psycopg2.connect(dsn) as db, db.cursor() as cursor:
            cursor.execute("UPDATE users SET points = 1 WHERE id = 1")
        db.close()

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "inconclusive"
    assert "JC915" in codes(verdict)
    before.close()


def test_a_connection_of_psycopg_from_before_is_watched(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as before:

        def job() -> None:
            before.execute("UPDATE users SET points = points + 1 WHERE id = 1")

        assert codes(check(job, faults=["duplicate"], settings=QUICK)) == {"JC103": "A A"}


def test_a_connection_of_psycopg_from_before_is_another_one_in_each_process(dsn: str) -> None:
    """A fixture's or a global's: neither death nor a lost line outlives the worker, and the test still has it."""
    before = psycopg.connect(dsn)

    def sets() -> None:
        with before.transaction():
            before.execute("SELECT pg_advisory_lock(7)")
            before.execute("UPDATE users SET points = 1 WHERE id = 1")
            before.execute("SELECT pg_advisory_unlock(7)")

    def adds() -> None:
        before.execute("UPDATE users SET points = points + 1 WHERE id = 1")
        before.commit()

    with before:
        for isolation in ("thread", "process"):
            settings = Settings(profile="quick", isolation=isolation)
            assert check(sets, faults=["crash"], settings=settings).status == "holds"
            assert list(codes(check(adds, faults=["crash"], settings=settings))) == ["JC303"]
        (finding,) = check(adds, faults=["crash"], settings=Settings(profile="quick")).findings
        assert finding.confirmed == "with a real SIGKILL"
        assert list(codes(check(adds, faults=["retry"], settings=QUICK))) == ["JC504"]  # nobody opens it anew
        verdict = check(sets, faults=["concurrent"], settings=QUICK)
        assert (verdict.status, list(codes(verdict))) == ("inconclusive", ["JC912"])
        with psycopg.connect(dsn) as another:
            assert another.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)
        assert before.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.thorough
def test_a_job_that_changes_the_schema_is_checked_like_any_other(dsn: str) -> None:
    def archives() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("CREATE TABLE IF NOT EXISTS archive (LIKE users)")
            db.execute("INSERT INTO archive SELECT * FROM users")
            db.execute("DELETE FROM users")

    def renames() -> None:
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute("ALTER TABLE archive RENAME TO users_of_old")
            db.execute("ALTER TABLE users_of_old ADD COLUMN seen int")

    assert check(archives, faults=["duplicate", "crash"], settings=QUICK).status == "holds"
    verdict = check(renames, faults=["crash"], settings=QUICK)
    assert codes(verdict) == {"JC304": "A1!kill A"}, verdict
    with psycopg.connect(dsn) as db:
        assert db.execute("SELECT id, seen FROM users_of_old").fetchall() == [(1, None), (2, None)]


def test_a_job_may_go_on_with_a_table_that_it_has_just_changed(dsn: str) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE lines (id serial); INSERT INTO lines DEFAULT VALUES")

    def migrates() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("ALTER TABLE lines ADD COLUMN IF NOT EXISTS more int")
            db.execute("UPDATE lines SET more = 5")

    verdict = check(migrates, faults=["duplicate", "crash", "concurrent"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


@pytest.mark.thorough
def test_a_partition_that_a_job_makes_is_dropped_again(dsn: str) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE events (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id)")
        db.execute("CREATE INDEX ON events (n)")
        db.execute("CREATE TABLE low PARTITION OF events FOR VALUES FROM (0) TO (10)")
        db.execute("CREATE TABLE notes (id int REFERENCES events (id))")
        db.execute("INSERT INTO events VALUES (1, 0)")
        db.execute("CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        db.execute("CREATE TRIGGER noting AFTER UPDATE ON events FOR EACH ROW EXECUTE FUNCTION note()")

    def extends() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("CREATE TABLE IF NOT EXISTS high PARTITION OF events FOR VALUES FROM (10) TO (20)")
            db.execute("INSERT INTO events VALUES (11, 0) ON CONFLICT (id) DO UPDATE SET n = events.n + 1")

    verdict = check(extends, faults=["duplicate", "crash"], settings=QUICK)
    assert codes(verdict).keys() == {"JC103", "JC303"}
    with psycopg.connect(dsn) as db:
        assert db.execute("SELECT id, n FROM events ORDER BY id").fetchall() == [(1, 0), (11, 0)]


def test_a_job_that_changes_what_cannot_be_made_again_is_inconclusive(dsn: str) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE bare (LIKE log); CREATE RULE quiet AS ON DELETE TO bare DO INSTEAD NOTHING")

    def job() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("DROP TABLE IF EXISTS bare")

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "inconclusive"
    assert codes(verdict).keys() == {"JC914"}
    assert "dropped or altered bare" in verdict.findings[0].message


def test_large_objects_are_said_to_be_left_alone(dsn: str) -> None:
    def job() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("SELECT lo_unlink(lo_create(0))")

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert [finding.message for finding in verdict.findings] == [
        "job() touches largeobject:all, which no store captures"
    ]


@pytest.mark.thorough
def test_a_temporary_table_is_no_harm(dsn: str) -> None:
    def job() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT id FROM users")
            db.execute("UPDATE users SET points = 1 WHERE id IN (SELECT id FROM scratch)")

    assert check(job, settings=QUICK).status == "holds"


def kill_and_go_on(dsn: str) -> Callable[[], None]:
    def job() -> None:
        with psycopg.connect(dsn) as db:
            db.execute("SELECT pg_advisory_lock(1)")
            (points,) = db.execute("SELECT points FROM users WHERE id = 1").fetchone() or (0,)
            if points == 0:
                db.execute("UPDATE users SET points = 10 WHERE id = 1")

    return job


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_the_locks_of_the_dead_are_free_before_the_next_step(dsn: str, isolation: str) -> None:
    """A session keeps its advisory lock until it ends: a redelivery would wait for ever for a backend that lingers."""
    verdict = check(kill_and_go_on(dsn), faults=["crash"], settings=Settings(profile="quick", isolation=isolation))
    assert verdict.status == "holds", verdict.findings
    assert verdict.schedules_run > 2


@pytest.mark.thorough
def test_two_thousand_schedules_leave_nothing_behind(dsn: str) -> None:
    job = kill_and_go_on(dsn)
    ran = 0
    mine = of_this_process()

    def count(event: Event) -> None:
        nonlocal ran
        ran += isinstance(event, ScheduleRun)

    with psycopg.connect(dsn, autocommit=True) as connection:
        while ran < 2000:
            settings = Settings(profile="full", isolation="process" if ran > 1900 else "thread")
            assert check(job, settings=settings, listener=count).status == "holds"
            connection.execute("UPDATE users SET points = 0")
        for nothing in (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jobchaos%'",
            "SELECT relname FROM pg_class WHERE relpersistence = 't'",
            "SELECT pid FROM pg_locks WHERE pid <> pg_backend_pid() AND locktype = 'advisory'",
            "SELECT gid FROM pg_prepared_xacts",
        ):
            assert left(connection, nothing) == []
    assert of_this_process() - mine == set()


def of_this_process() -> set[tuple[str, str]]:
    """Its children, threads and open files. What is not ours may end meanwhile, such as pytest's watchdog."""
    gc.collect()
    tasks = list(Path("/proc/self/task").glob("*"))
    children = {("child", child) for task in tasks for child in (task / "children").read_text().split()}
    files = {("file", file.name) for file in Path("/proc/self/fd").glob("*")}
    return children | files | {("thread", task.name) for task in tasks}


def left(connection: psycopg.Connection[Any], query: LiteralString) -> list[Any]:
    """What a query finds, and goes on finding: a session that was ended just now is listed for a moment more."""
    found = connection.execute(query).fetchall()
    for _ in range(1000):
        if not found:
            break
        connection.execute("SELECT pg_sleep(0.01)")
        found = connection.execute(query).fetchall()
    return found
