"""Zero-change mode on real servers: plain drivers on PostgreSQL, MariaDB and Redis, and Django on PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from tests.adapters.small_suite import causes
from tests.backends.conftest import Create
from tests.backends.mysql import ACCESS, Database, mysql_databases
from tests.plugin.test_suite_django import CAUSES, SETTINGS, project
from tests.plugin.test_suite_django import TESTS as DJANGO_TESTS

__all__ = ["mysql_databases", "project"]
pytest.importorskip("celery")

CELERY = """
from celery import Celery

celery = Celery("tasks", broker="memory://")
celery.conf.update(task_always_eager=True, task_eager_propagates=True)
"""

SQL = """
@celery.task
def adds(points):
    run(f"UPDATE users SET points = points + {points} WHERE id = 1")


@celery.task
def marks_then_adds(points):  # a guard, and a window between two commits
    if run("SELECT id FROM users WHERE id = 2"):
        return
    run("INSERT INTO users VALUES (2, 0)")
    run(f"UPDATE users SET points = points + {points} WHERE id = 1")


@celery.task(acks_late=True, reject_on_worker_lost=True)
def adds_once(points):  # the same in one transaction
    with connect() as db:
        with db.cursor() as cursor:
            cursor.execute("SELECT id FROM users WHERE id = 2 FOR UPDATE")
            if cursor.fetchone() is None:
                cursor.execute("INSERT INTO users VALUES (2, 0)")
                cursor.execute(f"UPDATE users SET points = points + {points} WHERE id = 1")
        db.commit()


@celery.task
def sets(points):
    run(f"UPDATE users SET points = {points} WHERE id = 1")


def run(*statements):
    with connect() as db:
        with db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else ()
        db.commit()
    return rows
"""

TESTS = """
import pytest
import tasks

@pytest.fixture(autouse=True)
def users():
    tasks.run("DROP TABLE IF EXISTS users", "CREATE TABLE users (id INT PRIMARY KEY, points INT)",
              "INSERT INTO users VALUES (1, 0)")

def points():
    return tasks.run("SELECT points FROM users WHERE id = 1")[0][0]

@pytest.mark.parametrize("task", [tasks.adds, tasks.marks_then_adds, tasks.adds_once, tasks.sets], ids=lambda t: t.name)
def test_points(task):
    task.delay(5)
    assert points() == 5

def test_nothing_is_asserted():
    tasks.adds.delay(5)
"""

POSTGRES = """
import psycopg

def connect():
    return psycopg.connect({dsn!r})
"""

PSYCOPG2 = """
import contextlib
import psycopg2.extras

@contextlib.contextmanager
def connect():
    with contextlib.closing(psycopg2.connect({dsn!r})) as db:
        yield db
"""

SHARED_SQL = """
shared = None

@celery.task
def adds_on_shared(points):
    with shared, shared.cursor() as cursor:
        cursor.execute("UPDATE users SET points = points + %s WHERE id = 1", (points,))

@celery.task
def adds_within(points):
    with shared.cursor() as cursor:
        cursor.execute("UPDATE users SET points = points + %s WHERE id = 1", (points,))

@celery.task
def sets_on_shared(points):
    with shared, shared.cursor("ids", psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT id FROM users")
        ids = [row["id"] for row in cursor]
    with shared, shared.cursor() as cursor:
        cursor.executemany("UPDATE users SET points = %s WHERE id = %s", [(points, id) for id in [*ids, *ids]])
        assert cursor.rowcount == 2
"""

SHARED_TESTS = """
@pytest.fixture(scope="session")
def shared():
    with tasks.connect() as tasks.shared:
        yield tasks.shared

@pytest.mark.parametrize("task", [tasks.adds_on_shared, tasks.sets_on_shared], ids=lambda task: task.name)
def test_shared(shared, task):
    task.delay(5)
    assert points() == 5

def test_within(shared):
    with shared.cursor() as cursor:
        cursor.execute("SELECT 1")
        tasks.adds_within.delay(5)
        cursor.execute("SELECT points FROM users WHERE id = 1")
        assert cursor.fetchone() == (5,)
    shared.rollback()
"""

MYSQL = """
import {driver}

def connect():
    return {driver}.connect(**{access!r}, database={name!r})
"""

ASYNC_SQL = """
import asyncio

@celery.task
def adds_later(points):
    asyncio.run(add(points))

async def add(points):
    async with await psycopg.AsyncConnection.connect(connect().info.dsn) as db:
        async with db.transaction():
            await db.execute(f"UPDATE users SET points = points + {points} WHERE id = 1")

shared = None

@celery.task
def adds_within(points):
    shared.execute(f"UPDATE users SET points = points + {points} WHERE id = 1")

@celery.task(acks_late=True, reject_on_worker_lost=True)
def adds_once_within(points):
    with shared.transaction():  # one savepoint: a death between the two statements undoes both
        if shared.execute("INSERT INTO users VALUES (2, 0) ON CONFLICT DO NOTHING").rowcount:
            shared.execute(f"UPDATE users SET points = points + {points} WHERE id = 1")

@celery.task
def sets_within(points):
    with shared.transaction():
        shared.execute(f"UPDATE users SET points = {points} WHERE id = 1")
"""

ASYNC_TESTS = """
import pytest
import tasks

@pytest.fixture(autouse=True)
def users():
    with tasks.connect() as db:
        db.execute("DROP TABLE IF EXISTS users")
        db.execute("CREATE TABLE users (id INT PRIMARY KEY, points INT)")
        db.execute("INSERT INTO users VALUES (1, 0)")

@pytest.fixture
def rolled_back():
    with tasks.connect() as db:
        tasks.shared = db
        db.execute("SELECT 1")
        yield db
        db.rollback()

def test_later():
    tasks.adds_later.delay(5)
    with tasks.connect() as db:
        assert db.execute("SELECT points FROM users").fetchone() == (5,)

def test_later_again():
    tasks.adds_later.delay(6)

@pytest.mark.parametrize("task", [tasks.sets_within, tasks.adds_within, tasks.adds_once_within], ids=lambda t: t.name)
def test_within(rolled_back, task):
    task.delay(5)
    assert rolled_back.execute("SELECT points FROM users WHERE id = 1").fetchone() == (5,)
"""

REDIS = """
import redis
import fakeredis

client = {client}

@celery.task
def counts(points):
    client.incrby("points", points)

@celery.task
def counts_once(points):
    if client.set("done", 1, nx=True):  # a worker that dies here never counts
        client.incrby("points", points)

@celery.task
def tells(news):
    client.publish("news", news)

@celery.task(acks_late=True, reject_on_worker_lost=True)
def sets(points):
    with client.pipeline() as pipeline:
        pipeline.set("points", points)
        pipeline.sadd("seen", points)
        pipeline.execute()
"""

REDIS_TESTS = """
import pytest
import tasks

@pytest.fixture(autouse=True)
def empty():
    tasks.client.flushdb()
    yield
    tasks.client.flushdb()

@pytest.mark.parametrize("task", [tasks.counts, tasks.counts_once, tasks.sets], ids=lambda task: task.name)
def test_points(task):
    task.delay(5)
    assert int(tasks.client.get("points")) == 5

def test_nothing_is_asserted():
    tasks.counts.delay(5)

def test_told():
    with tasks.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("news")
        tasks.tells.delay("5 points")
"""


def replayed(pytester: pytest.Pytester, tasks: str, tests: str) -> pytest.RunResult:
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.makepyfile(tasks=CELERY + tasks, test_tasks=tests)
    off = [word for plugin in ("cacheprovider", "randomly", "celery") for word in ("-p", f"no:{plugin}")]
    return pytester.runpytest_subprocess(*off, "--jobchaos")


def test_psycopg(pytester: pytest.Pytester, new_postgres: Create) -> None:
    result = replayed(pytester, POSTGRES.format(dsn=new_postgres("")) + SQL, TESTS)
    assert causes(result) == [("JC103", "A", "tasks.adds"), ("JC303", "A", "tasks.marks_then_adds")]
    result.assert_outcomes(passed=5)


@pytest.mark.thorough
def test_psycopg2(pytester: pytest.Pytester, new_postgres: Create) -> None:
    """Also on a connection that a fixture has opened for the whole session."""
    tasks = PSYCOPG2.format(dsn=new_postgres("")) + SQL + SHARED_SQL
    result = replayed(pytester, tasks, TESTS + SHARED_TESTS)
    assert causes(result) == [
        ("JC103", "A", "tasks.adds"),
        ("JC103", "A", "tasks.adds_on_shared"),
        ("JC303", "A", "tasks.marks_then_adds"),
        ("JC940", "B", "tasks.adds_within"),
    ]
    result.assert_outcomes(passed=8)


@pytest.mark.thorough
def test_django_on_postgres(project: pytest.Pytester, new_postgres: Create) -> None:
    """The suite that runs on SQLite elsewhere, with the same causes."""
    where = psycopg.conninfo.conninfo_to_dict(new_postgres(""))
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": where["dbname"],
        "HOST": where.get("host", ""),
        "PORT": where.get("port", ""),
        "USER": where.get("user", ""),
        "PASSWORD": where.get("password", ""),
    }
    settings = SETTINGS.replace('{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}', repr(database))
    assert settings != SETTINGS
    (project.path / "app" / "settings.py").write_text(settings)
    project.makepyfile(test_app=DJANGO_TESTS)
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "--jobchaos")
    assert causes(result) == CAUSES
    result.assert_outcomes(passed=DJANGO_TESTS.count("def test_"))


@pytest.mark.thorough
def test_asyncio_and_a_transaction_of_the_tests_own(pytester: pytest.Pytester, new_postgres: Create) -> None:
    """Nobody can look into a transaction that is rolled back at the end: only the test itself can object (grade B)."""
    tasks = POSTGRES.format(dsn=new_postgres("")) + ASYNC_SQL
    result = replayed(pytester, tasks, ASYNC_TESTS)
    assert causes(result) == [("JC103", "A", "tasks.adds_later"), ("JC940", "B", "tasks.adds_within")]
    result.assert_outcomes(passed=5)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*delivered twice, it repeats an effect that cannot be compared, and the test objects*"]
    )


@pytest.mark.thorough
@pytest.mark.parametrize("driver", ["pymysql", "MySQLdb"])
def test_mysql(pytester: pytest.Pytester, mysql_databases: tuple[Database, Database], driver: str) -> None:
    pytest.importorskip(driver, reason="mysqlclient is not installed: it has to be compiled")
    access = {name: ACCESS[name] for name in ("host", "port", "user", "password")}
    tasks = MYSQL.format(driver=driver, access=access, name=mysql_databases[0].name) + SQL
    result = replayed(pytester, tasks, TESTS)
    assert causes(result) == [("JC103", "A", "tasks.adds"), ("JC303", "A", "tasks.marks_then_adds")]
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("kind", ["fake", pytest.param("server", marks=pytest.mark.thorough)])
def test_redis(pytester: pytest.Pytester, jobchaos_redis: str, kind: str) -> None:
    client = f"redis.Redis.from_url({jobchaos_redis!r})" if kind == "server" else "fakeredis.FakeRedis()"
    result = replayed(pytester, REDIS.format(client=client), REDIS_TESTS)
    expected = [("JC103", "A", "tasks.counts"), ("JC101", "A", "tasks.tells"), ("JC303", "A", "tasks.counts_once")]
    assert causes(result) == expected
    result.assert_outcomes(passed=5)
