"""A retry that a job asks for is a redelivery at its virtual time, in each system that knows retries."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.adapted import job_of
from jobchaos.baseline import CLEAN
from jobchaos.core.job import Job
from jobchaos.core.settings import Settings
from jobchaos.core.trace import Happening
from jobchaos.workbench import Workbench
from tests.database import Sql

_MINUTE = 60 * 10**9  # ns


class NotYetError(Exception):
    """The shop is closed."""


def celery(sql: Sql) -> Job:
    package = pytest.importorskip("celery")
    app = package.Celery("shop", broker="amqp://broker.example.com//")

    @app.task(shared=False, bind=True)
    def waits(self: Any) -> None:
        if not is_open(sql):
            raise self.retry(countdown=60)

    return job_of(waits, (), {})


run: Sql


def waits_in_rq() -> None:
    if not is_open(run):
        raise NotYetError


def rq(sql: Sql) -> Job:
    global run
    run = sql
    package = pytest.importorskip("rq")
    redis = pytest.importorskip("redis")
    queue = package.Queue("mail", connection=redis.Redis(host="redis.example.com"))
    return job_of(queue.create_job(waits_in_rq, retry=package.Retry(max=2, interval=60)), (), {})


def dramatiq(sql: Sql) -> Job:
    package = pytest.importorskip("dramatiq")
    package.set_broker(pytest.importorskip("dramatiq.brokers.stub").StubBroker())

    @package.actor
    def waits() -> None:
        if not is_open(sql):
            raise package.errors.Retry(delay=60_000)

    return job_of(waits, (), {})


def huey(sql: Sql) -> Job:
    package = pytest.importorskip("huey")

    @package.MemoryHuey("mail").task()
    def waits() -> None:
        if not is_open(sql):
            raise package.exceptions.RetryTask(delay=60)

    return job_of(waits, (), {})


def arq(sql: Sql) -> Job:
    package = pytest.importorskip("arq")

    async def waits(_context: Any) -> None:
        if not is_open(sql):
            raise package.Retry(defer=60)

    return job_of(pytest.importorskip("arq.worker").func(waits), (), {})


def taskiq(sql: Sql) -> Job:
    package = pytest.importorskip("taskiq")
    middleware = package.SmartRetryMiddleware(default_delay=60, use_jitter=False)
    broker = package.InMemoryBroker().with_middlewares(middleware)

    @broker.task(retry_on_error=True)
    async def waits() -> None:
        if not is_open(sql):
            raise NotYetError

    return job_of(waits, (), {})


def procrastinate(sql: Sql) -> Job:
    package = pytest.importorskip("procrastinate")
    app = package.App(connector=pytest.importorskip("procrastinate.testing").InMemoryConnector())

    @app.task(retry=package.RetryStrategy(max_attempts=2, wait=60))
    def waits() -> None:
        if not is_open(sql):
            raise NotYetError

    return job_of(waits, (), {})


def is_open(sql: Sql) -> bool:
    """From the second time on that somebody asks."""
    return sql("UPDATE users SET points = points + 1 RETURNING points") != [(1,)]


SYSTEMS = (celery, rq, dramatiq, huey, arq, taskiq, procrastinate)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: str(system.__name__))
def test_the_redelivery_comes_a_minute_later(system: Callable[[Sql], Job], sql: Sql) -> None:
    bench = Workbench([system(sql)], [], Settings(profile="quick"))
    with bench.opened():
        result = bench.runner().run(CLEAN)
    moments = [event.at for event in result.trace.events if event.happening is Happening.DELIVERED]
    assert result.completed
    assert [later - earlier for earlier, later in itertools.pairwise(moments)] == [_MINUTE]
