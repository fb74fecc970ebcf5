"""Job systems with the same small jobs each, which enqueue each other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest

from jobchaos import Job
from jobchaos.adapted import job_of


def _unset(*_: object) -> Any:
    raise RuntimeError("the test has not set it")


run: Callable[..., Any] = _unset
send: Callable[..., Any] = _unset
"""Both are set by the test."""


def sets_and_adds(points: int) -> None:
    """Sound, but for what it enqueues."""
    run(f"UPDATE users SET points = {points} WHERE id = 1")
    send("adds", points)


def adds(points: int) -> None:
    run(f"UPDATE users SET points = points + {points}")


def opens(points: int) -> None:
    """Sound, and so is all that follows."""
    run("INSERT OR IGNORE INTO users VALUES (2, 0)")
    send("notes", points)


def notes(points: int) -> None:
    run(f"INSERT OR IGNORE INTO users VALUES (3, {points})")
    send("closes", points)


def closes(points: int) -> None:
    run(f"UPDATE users SET points = {points} WHERE id = 3")


def forwards(points: int) -> None:
    """Enqueues what fails."""
    send("fails", points)
    send("closes", points)


def fails(points: int) -> None:
    raise LookupError(f"nobody has {points} points")


JOBS = (sets_and_adds, adds, opens, notes, closes, forwards, fails)


Given = tuple[Any, tuple[Any, ...], dict[str, Any]]


class JobSystem:
    """What all have."""

    when_killed = ""

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        raise NotImplementedError

    def given(self, name: str, points: int) -> Given:
        """What a fixture is given to check one: the object, and arguments."""
        raise NotImplementedError

    def job(self, name: str, points: int) -> Job:
        """One to check."""
        return job_of(*self.given(name, points))


class Celery(JobSystem):
    """Tasks of Celery."""

    when_killed = "JC306"

    def __init__(self) -> None:
        celery = pytest.importorskip("celery")
        self.app = celery.Celery("shop", broker="amqp://broker.example.com//")
        self.tasks = {job.__name__: self.app.task(shared=False)(job) for job in JOBS}

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        self.tasks[name].delay(points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.tasks[name], (points,), {}


class RQ(JobSystem):
    """Jobs of RQ, without time limits."""

    when_killed = "JC306"

    def __init__(self) -> None:
        rq = pytest.importorskip("rq")
        redis = pytest.importorskip("redis")
        self.queue = rq.Queue("mail", connection=redis.Redis(host="redis.example.com"), default_timeout=-1)

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        self.queue.enqueue(globals()[name], points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.queue.create_job(globals()[name], args=(points,)), (), {}


class Dramatiq(JobSystem):
    """Actors of Dramatiq, without retries of failures."""

    when_killed = ""

    def __init__(self) -> None:
        dramatiq = pytest.importorskip("dramatiq")
        from dramatiq.brokers.stub import StubBroker

        self.broker = StubBroker()
        dramatiq.set_broker(self.broker)
        self.actors = {job.__name__: dramatiq.actor(job, throws=LookupError) for job in JOBS}

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        self.actors[name].send(points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.actors[name], (points,), {}


class Huey(JobSystem):
    """Tasks of Huey."""

    when_killed = "JC306"

    def __init__(self) -> None:
        huey = pytest.importorskip("huey")
        self.huey = huey.MemoryHuey("mail", immediate=False)
        self.tasks = {job.__name__: self.huey.task(name=job.__name__)(job) for job in JOBS}

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        self.tasks[name](points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.tasks[name], (points,), {}


class Procrastinate(JobSystem):
    """Tasks of Procrastinate."""

    when_killed = "JC307"

    def __init__(self) -> None:
        procrastinate = pytest.importorskip("procrastinate")
        from procrastinate.testing import InMemoryConnector

        self.app = procrastinate.App(connector=InMemoryConnector())
        self.tasks = {job.__name__: self.app.task(name=job.__name__)(job) for job in JOBS}

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        self.tasks[name].defer(points=points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.tasks[name], (), {"points": points}


class DjangoTasks(JobSystem):
    """Tasks of `django.tasks`, or of its backport."""

    when_killed = "JC306"

    def __init__(self) -> None:
        pytest.importorskip("django")
        from django.conf import settings

        package = pytest.importorskip("django.tasks" if django_has_tasks() else "django_tasks")
        if not settings.configured:
            settings.configure(TASKS={"default": {"BACKEND": f"{package.__name__}.backends.dummy.DummyBackend"}})
        for job in JOBS:
            if globals()[job.__name__] is job:
                globals()[job.__name__] = package.task(job)

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        globals()[name].enqueue(points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return globals()[name], (points,), {}


def django_has_tasks() -> bool:
    """True from Django 6 on."""
    django = pytest.importorskip("django")
    return int(django.VERSION[0]) >= 6


class Awaited(JobSystem):
    """What is sent by coroutines: messages leave when all else of a job is done, which is the same in all of them."""

    def __init__(self) -> None:
        self._sends: list[tuple[str, int]] = []

    def send(self, name: str, points: int) -> None:
        """Enqueue one."""
        self._sends.append((name, points))

    def awaiting(self, job: Callable[[int], None]) -> Callable[[int], Coroutine[Any, Any, None]]:
        """A job as a coroutine function."""

        @functools.wraps(job)
        async def run_and_send(points: int) -> None:
            self._sends.clear()
            job(points)
            for name, number in list(self._sends):
                await self.kick(name, number)

        return run_and_send

    async def kick(self, name: str, points: int) -> None:
        """Enqueue one."""
        raise NotImplementedError


class TaskIQ(Awaited):
    """Tasks of TaskIQ on a list in Redis."""

    when_killed = "JC306"

    def __init__(self) -> None:
        super().__init__()
        pytest.importorskip("taskiq")
        taskiq_redis = pytest.importorskip("taskiq_redis")
        self.broker = taskiq_redis.ListQueueBroker("redis://redis.example.com")
        self.tasks = {job.__name__: self.broker.task(job.__name__)(self.awaiting(job)) for job in JOBS}

    async def kick(self, name: str, points: int) -> None:
        await self.tasks[name].kiq(points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.tasks[name], (points,), {}


class Arq(Awaited):
    """Functions of arq, as a worker's settings name them."""

    when_killed = ""

    def __init__(self) -> None:
        super().__init__()
        pytest.importorskip("arq")
        from arq.worker import func

        self.functions = {job.__name__: func(self._with_context(job), name=job.__name__) for job in JOBS}
        WorkerSettings.functions = list(self.functions.values())

    def _with_context(self, job: Callable[[int], None]) -> Callable[..., Coroutine[Any, Any, None]]:
        run_and_send = self.awaiting(job)

        async def call(_context: dict[str, Any], points: int) -> None:
            await run_and_send(points)

        call.__name__ = job.__name__
        return call

    async def kick(self, name: str, points: int) -> None:
        from arq.connections import ArqRedis

        await ArqRedis(host="redis.example.com").enqueue_job(name, points)

    def given(self, name: str, points: int) -> Given:
        """See `JobSystem.given`."""
        return self.functions[name], (points,), {}


class WorkerSettings:
    """As an arq worker is started with."""

    functions: ClassVar[list[Any]] = []


System = Celery | RQ | Dramatiq | Huey | Procrastinate | DjangoTasks | TaskIQ | Arq
SYSTEMS = (Celery, RQ, Dramatiq, Huey, Procrastinate, DjangoTasks, TaskIQ, Arq)
