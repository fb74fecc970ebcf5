"""One small application for each job system, broken and sound, with tests that know nothing of jobchaos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """One of them.

    Attributes:
        system: As its users write it.
        needs: What must be there to import.
        app: Its module, beside what it needs of a database. `credit` adds, and `set_to` sets.
        tests: Its tests, beside a fixture for that database; each executes tasks.
        unheard: Sends a task that nobody executes.
        broken: The one cause that is to be reported: what `credit` is called.
    """

    system: str
    needs: tuple[str, ...]
    app: str
    tests: str
    unheard: str
    broken: str = "credit"

    @property
    def count(self) -> int:
        """How many tests it has."""
        return self.tests.count("def test_")


RQ = Suite(
    "RQ",
    ("rq", "fakeredis"),
    """
import fakeredis
from rq import Queue, Retry
from rq.job import Job

connection = fakeredis.FakeStrictRedis()
at_once = Queue(is_async=False, connection=connection)
later = Queue("later", connection=connection)


def credit(points):
    run(f"UPDATE users SET points = points + {points}")


def set_to(points):
    run(f"UPDATE users SET points = {points}")


def passes_on(points):
    later.enqueue(set_to, points)


def asks():
    run(f"UPDATE users SET points = {ask()}")


def ask():
    raise NotImplementedError


class FromZero(Job):
    def perform(self):
        run("UPDATE users SET points = 0")
        return super().perform()


def adds_from_zero(points):
    run(f"UPDATE users SET points = points + {points}")
""",
    """
from unittest import mock

from rq import Queue, Retry, SimpleWorker

@pytest.fixture(autouse=True)
def redis():
    app.connection.flushall()

def burst():
    SimpleWorker([app.later], connection=app.connection).work(burst=True)

def test_at_once():
    app.at_once.enqueue(app.credit, 5)
    assert points() == 5

def test_sound():
    app.at_once.enqueue(app.set_to, 5, retry=Retry(max=3))
    assert points() == 5

def test_worker():
    app.later.enqueue(app.set_to, 5)
    burst()
    assert points() == 5

def test_children():
    app.later.enqueue(app.passes_on, 5)
    burst()
    assert points() == 5

def test_retries(monkeypatch):
    monkeypatch.setattr(app, "ask", mock.Mock(side_effect=[ConnectionError("1"), 5]))
    app.later.enqueue(app.asks, retry=Retry(max=2))
    burst()
    assert app.ask.call_count == 2
    assert points() == 5

def test_own_class():
    Queue("own", connection=app.connection, job_class=app.FromZero, is_async=False).enqueue(app.adds_from_zero, 5)
    assert points() == 5

def test_late(monkeypatch):
    monkeypatch.setattr(app, "late", app.set_to, raising=False)
    app.at_once.enqueue("app.late", 5)
    assert points() == 5
""",
    "app.later.enqueue(app.set_to, 5)",
    "app.credit",
)

DRAMATIQ = Suite(
    "Dramatiq",
    ("dramatiq",),
    """
import dramatiq
from dramatiq.brokers.stub import StubBroker

broker = StubBroker()
broker.emit_after("process_boot")
dramatiq.set_broker(broker)


@dramatiq.actor
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@dramatiq.actor
def set_to(points):
    run(f"UPDATE users SET points = {points}")


@dramatiq.actor
def passes_on(points):
    set_to.send(points)


@dramatiq.actor(max_retries=2, min_backoff=1, max_backoff=1)
def asks():
    run(f"UPDATE users SET points = {ask()}")


def ask():
    raise NotImplementedError


class FromZero(dramatiq.Actor):
    def __call__(self, *args, **kwargs):
        run("UPDATE users SET points = 0")
        return super().__call__(*args, **kwargs)


@dramatiq.actor(actor_class=FromZero)
def adds_from_zero(points):
    run(f"UPDATE users SET points = points + {points}")
""",
    """
from unittest import mock

from dramatiq import Worker

@pytest.fixture
def worker():
    app.broker.flush_all()
    worker = Worker(app.broker, worker_timeout=100, worker_threads=1)
    worker.start()
    yield worker
    worker.stop()

def join(worker):
    app.broker.join("default")
    worker.join()

def test_direct():
    app.credit(5)
    assert points() == 5

def test_credit(worker):
    app.credit.send(5)
    join(worker)
    assert points() == 5

def test_sound(worker):
    app.set_to.send(5)
    join(worker)
    assert points() == 5

def test_children(worker):
    app.passes_on.send(5)
    join(worker)
    assert points() == 5

def test_retries(worker, monkeypatch):
    monkeypatch.setattr(app, "ask", mock.Mock(side_effect=[ConnectionError("1"), 5]))
    app.asks.send()
    app.broker.join("default", fail_fast=False)
    join(worker)
    assert app.ask.call_count == 2
    assert points() == 5

def test_own_class(worker):
    app.adds_from_zero.send(5)
    join(worker)
    assert points() == 5

def test_late(worker):
    known = app.broker.actors
    late = known["late"] if "late" in known else app.dramatiq.actor(app.set_to.fn, actor_name="late")
    late.send(5)
    join(worker)
    assert points() == 5
""",
    "app.broker.flush_all(); app.set_to.send(5)",
)

HUEY = Suite(
    "Huey",
    ("huey",),
    """
from huey import MemoryHuey

huey = MemoryHuey(immediate=True)


@huey.task()
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@huey.task(retries=2)
def set_to(points):
    run(f"UPDATE users SET points = {points}")


@huey.task()
def passes_on(points):
    set_to(points)


@huey.task(retries=1)
def asks():
    run(f"UPDATE users SET points = {ask()}")


def ask():
    raise NotImplementedError


def late(points):
    run(f"UPDATE users SET points = {points}")
""",
    """
from unittest import mock

def test_immediate():
    app.credit(5)
    assert points() == 5

def test_local():
    app.credit.call_local(5)
    assert points() == 5

def test_sound():
    app.set_to(5)
    assert points() == 5

def test_children():
    app.passes_on(5)
    assert points() == 5

def test_by_hand():
    app.huey.immediate = False
    try:
        app.set_to(5)
        app.huey.execute(app.huey.dequeue())
    finally:
        app.huey.immediate = True
    assert points() == 5

def test_retries(monkeypatch):
    monkeypatch.setattr(app, "ask", mock.Mock(side_effect=[ConnectionError("1"), 5]))
    app.asks()
    assert app.ask.call_count == 2
    assert points() == 5

def test_retries_later(monkeypatch):
    monkeypatch.setattr(app, "ask", mock.Mock(side_effect=[ConnectionError("1"), 5]))
    app.huey.immediate = False
    try:
        app.asks()
        app.huey.execute(app.huey.dequeue())
        assert points() == 0
        app.huey.execute(app.huey.dequeue())
    finally:
        app.huey.immediate = True
    assert points() == 5

def test_late():
    app.huey.task(name="late")(app.late)(5)
    assert points() == 5
""",
    "app.huey.immediate = False; app.set_to(5)",
)

ARQ = Suite(
    "arq",
    ("arq",),
    """
import os

from arq import Retry, create_pool, func
from arq.connections import RedisSettings
from arq.worker import create_worker

queue = os.environ["JOBCHAOS_TEST_NAME"]


async def credit(context, points):
    run(f"UPDATE users SET points = points + {points}")


async def set_to(context, points):
    run(f"UPDATE users SET points = {points}")


async def tries_again(context, points):
    if context["job_try"] == 1:
        raise Retry(defer=0)
    run(f"UPDATE users SET points = {points}")


async def passes_on(context, points):
    await context["redis"].enqueue_job("set_to", points)


def connect():
    return create_pool(RedisSettings.from_dsn(os.environ["JOBCHAOS_TEST_BROKER"]), default_queue_name=queue)


async def only_send(name, *args):
    pool = await connect()
    await pool.enqueue_job(name, *args)
    await pool.aclose()


class WorkerSettings:
    functions = [func(known, keep_result=0) for known in (credit, set_to, tries_again, passes_on)]
    queue_name = queue
    burst = True
    poll_delay = 0.01
    handle_signals = False


async def work_off(name, *args):
    pool = await connect()
    try:
        await pool.enqueue_job(name, *args)
        worker = create_worker(WorkerSettings, redis_pool=pool)
        await worker.main()
        await worker.close()
    finally:
        await pool.aclose()
""",
    """
import asyncio

def test_credit():
    asyncio.run(app.work_off("credit", 5))
    assert points() == 5

def test_sound():
    asyncio.run(app.work_off("set_to", 5))
    assert points() == 5

def test_retry():
    asyncio.run(app.work_off("tries_again", 5))
    assert points() == 5

def test_children():
    asyncio.run(app.work_off("passes_on", 5))
    assert points() == 5
""",
    "import asyncio; asyncio.run(app.only_send('set_to', 5))",
)

TASKIQ = Suite(
    "TaskIQ",
    ("taskiq",),
    """
from taskiq import InMemoryBroker, SimpleRetryMiddleware



class Silent(InMemoryBroker):
    async def kick(self, message):
        pass


broker = InMemoryBroker(await_inplace=True)
broker.add_middlewares(SimpleRetryMiddleware())


@broker.task
async def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@broker.task(retry_on_error=True, max_retries=3)
async def set_to(points):
    run(f"UPDATE users SET points = {points}")


@broker.task
async def passes_on(points):
    await set_to.kiq(points)


@broker.task(retry_on_error=True, max_retries=2)
async def asks():
    run(f"UPDATE users SET points = {await ask()}")


async def ask():
    raise NotImplementedError


async def late(points):
    run(f"UPDATE users SET points = {points}")
""",
    """
import asyncio
from unittest import mock

def test_credit():
    asyncio.run(app.credit.kiq(5))
    assert points() == 5

def test_direct():
    asyncio.run(app.credit(5))
    assert points() == 5

def test_sound():
    asyncio.run(app.set_to.kiq(5))
    assert points() == 5

def test_children():
    asyncio.run(app.passes_on.kiq(5))
    assert points() == 5

def test_retries(monkeypatch):
    monkeypatch.setattr(app, "ask", mock.AsyncMock(side_effect=[ConnectionError("1"), 5]))
    asyncio.run(app.asks.kiq())
    assert app.ask.call_count == 2
    assert points() == 5

def test_late():
    asyncio.run(app.broker.task(task_name="late")(app.late).kiq(5))
    assert points() == 5
""",
    "import asyncio; asyncio.run(app.set_to.kicker().with_broker(app.Silent()).kiq(5))",
    "app:credit",
)

PROCRASTINATE = Suite(
    "Procrastinate",
    ("procrastinate",),
    """
import procrastinate
from procrastinate.testing import InMemoryConnector

app = procrastinate.App(connector=InMemoryConnector())


@app.task
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@app.task(retry=3)
async def set_to(points):
    run(f"UPDATE users SET points = {points}")


@app.task
async def passes_on(points):
    await set_to.defer_async(points=points)


async def work_off(task, points):
    app.connector.reset()
    await task.defer_async(points=points)
    await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)


@app.task(retry=1)
def asks():
    run(f"UPDATE users SET points = {ask()}")


def ask():
    raise NotImplementedError


def late(points):
    run(f"UPDATE users SET points = {points}")


async def work_off_asks():
    app.connector.reset()
    await asks.defer_async()
    await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
""",
    """
import asyncio
from unittest import mock

def test_direct():
    app.credit(points=5)
    assert points() == 5

def test_credit():
    asyncio.run(app.work_off(app.credit, 5))
    assert points() == 5

def test_sound():
    asyncio.run(app.work_off(app.set_to, 5))
    assert points() == 5

def test_children():
    asyncio.run(app.work_off(app.passes_on, 5))
    assert points() == 5

def test_retries(monkeypatch):
    monkeypatch.setattr(app, "ask", mock.Mock(side_effect=[ConnectionError("1"), 5]))
    asyncio.run(app.work_off_asks())
    assert app.ask.call_count == 2
    assert points() == 5

def test_late():
    late = app.app.tasks.get("late") or app.app.task(name="late")(app.late)
    asyncio.run(app.work_off(late, 5))
    assert points() == 5
""",
    "app.set_to.defer(points=5)",
    "app.credit",
)

APSCHEDULER = Suite(
    "APScheduler",
    ("apscheduler",),
    """
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler


def credit(points):
    run(f"UPDATE users SET points = points + {points}")


def set_to(points):
    run(f"UPDATE users SET points = {points}")
""",
    """
import threading

from apscheduler.events import EVENT_JOB_EXECUTED

@pytest.fixture
def scheduler():
    scheduler = app.BackgroundScheduler(timezone="UTC", executors={"default": app.DebugExecutor()})
    scheduler.start()
    yield scheduler
    scheduler.shutdown()

def execute(scheduler, job, points):
    done = threading.Event()
    scheduler.add_listener(lambda _: done.set(), EVENT_JOB_EXECUTED)
    scheduler.add_job(job, args=[points], misfire_grace_time=None)
    assert done.wait(20)

def test_credit(scheduler):
    execute(scheduler, app.credit, 5)
    assert points() == 5

def test_sound(scheduler):
    execute(scheduler, app.set_to, 5)
    assert points() == 5
""",
    "app.BackgroundScheduler(timezone='UTC').add_job(app.set_to, args=[5])",
)

_DJANGO = """
import django
from django.conf import settings

settings.configure(
    TASKS={
        "default": {"BACKEND": "PACKAGE.backends.immediate.ImmediateBackend"},
        "unheard": {"BACKEND": "PACKAGE.backends.dummy.DummyBackend"},
    },
    USE_TZ=True,
    INSTALLED_APPS=USED,
)
django.setup()

from PACKAGE import task


@task()
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@task()
async def set_to(points):
    run(f"UPDATE users SET points = {points}")


@task()
def passes_on(points):
    set_to.enqueue(points)
"""

_DJANGO_TESTS = """
def test_credit():
    app.credit.enqueue(5)
    assert points() == 5

def test_direct():
    app.credit.call(5)
    assert points() == 5

def test_sound():
    app.set_to.enqueue(5)
    assert points() == 5

def test_children():
    app.passes_on.enqueue(5)
    assert points() == 5
"""

BACKPORT = Suite(
    "Django tasks",
    ("django_tasks",),
    _DJANGO.replace("PACKAGE", "django_tasks").replace("USED", '["django_tasks"]'),
    _DJANGO_TESTS,
    "app.set_to.using(backend='unheard').enqueue(5)",
    "app.credit",
)

DJANGO = Suite(
    "Django tasks",
    ("django.tasks",),
    _DJANGO.replace("PACKAGE", "django.tasks").replace("USED", "[]"),
    _DJANGO_TESTS,
    "app.set_to.using(backend='unheard').enqueue(5)",
    "app.credit",
)

SUITES = (RQ, DRAMATIQ, HUEY, ARQ, TASKIQ, PROCRASTINATE, APSCHEDULER, DJANGO, BACKPORT)
