"""Job systems' own workers beside `fake_clock`: what they put off is done when the clock is advanced.

With freezegun some of these never fire, and others hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobchaos import FakeClock

NOON = 1_893_499_200  # 2030-01-01 12:00 UTC
SYSTEMS = [
    *("dramatiq.brokers.stub", "dramatiq.worker", "huey", "rq.scheduler", "fakeredis", "arq.worker", "taskiq.api"),
    *("procrastinate.testing", "celery"),
]


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """Who has such a worker in a test has imported it before the test begins."""
    for system in SYSTEMS:
        with contextlib.suppress(ImportError):
            importlib.import_module(system)
    clock = FakeClock()
    with clock.running(NOON * 10**9):
        yield clock


class Flaky:
    """Fails a few times; what it has been called at is in seconds since noon."""

    def __init__(self, failures: int) -> None:
        self.at: list[float] = []
        self._failures = failures

    def __call__(self) -> None:
        self.at.append(round(time.time() - NOON, 3))
        if len(self.at) <= self._failures:
            raise ConnectionError("the shop is closed")


def sleep_for_an_hour() -> None:
    """A job."""
    time.sleep(3600)


def test_the_worker_thread_of_dramatiq(clock: FakeClock) -> None:
    dramatiq = pytest.importorskip("dramatiq")
    stub, workers = pytest.importorskip("dramatiq.brokers.stub"), pytest.importorskip("dramatiq.worker")
    broker, job = stub.StubBroker(), Flaky(3)

    def delays(retries: int, error: BaseException) -> bool:
        return retries < 3

    actor = dramatiq.actor(
        lambda: job(), actor_name="flaky", broker=broker, min_backoff=15_000, max_backoff=15_000, retry_when=delays
    )
    worker = workers.Worker(broker, worker_timeout=100)
    worker.start()
    actor.send()
    clock.advance(14)
    assert job.at[0] == 0
    broker.join(actor.queue_name, timeout=600_000)
    worker.join()
    worker.stop()
    assert len(job.at) == 4
    assert all(7 <= later - earlier <= 16 for earlier, later in zip(job.at, job.at[1:], strict=False))  # with jitter
    assert time.time() - NOON < 60


def test_the_consumer_thread_of_huey(clock: FakeClock) -> None:
    huey = pytest.importorskip("huey")
    queue, job = huey.MemoryHuey(), Flaky(2)
    task = queue.task(retries=2, retry_delay=600)(lambda: job())
    consumer = queue.create_consumer(workers=1)
    consumer.start()
    task()
    for _ in range(3):
        clock.advance(610)
    consumer.stop(graceful=True)
    first, second, third = job.at
    assert (first < 1, 600 <= second < 610, 1200 <= third < 1220) == (True, True, True)


def test_the_worker_and_the_scheduler_of_rq(clock: FakeClock) -> None:
    rq, fakeredis = pytest.importorskip("rq"), pytest.importorskip("fakeredis")
    schedulers = pytest.importorskip("rq.scheduler")
    connection = fakeredis.FakeStrictRedis()
    queue = rq.Queue(connection=connection)
    queue.enqueue_in(timedelta(minutes=10), "builtins.abs", -1)
    worker = rq.SimpleWorker([queue], connection=connection)
    scheduler = schedulers.RQScheduler([queue], connection=connection)
    scheduler.prepare_registries([queue.name])
    moved: list[int] = []
    for minutes in (9, 2):
        clock.advance(minutes * 60)
        scheduler.enqueue_scheduled_jobs()
        worker.work(burst=True)
        moved.append(len(queue.finished_job_registry))
    assert moved == [0, 1]
    assert clock.sleeps == []


def test_the_time_limit_of_rq_is_real(clock: FakeClock) -> None:
    """It is an alarm of the operating system. The check's own limits are virtual: see the page on RQ."""
    rq, fakeredis = pytest.importorskip("rq"), pytest.importorskip("fakeredis")
    connection = fakeredis.FakeStrictRedis()
    queue = rq.Queue(connection=connection)
    job = queue.enqueue(sleep_for_an_hour, job_timeout=60)
    rq.SimpleWorker([queue], connection=connection).work(burst=True)
    assert job.get_status(refresh=True) == "finished"
    assert clock.sleeps == [3600]


def test_the_worker_of_arq(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    arq, fakeredis = pytest.importorskip("arq"), pytest.importorskip("fakeredis")
    workers = pytest.importorskip("arq.worker")
    job = Flaky(2)

    async def says_nothing(*_: object) -> None:
        """Here is no server to ask for its version."""

    monkeypatch.setattr(workers, "log_redis_info", says_nothing)

    async def flaky(_context: dict[str, Any]) -> None:
        try:
            job()
        except ConnectionError as error:
            raise arq.Retry(defer=600) from error

    async def main() -> None:
        redis = arq.ArqRedis(connection_pool=fakeredis.FakeAsyncRedis().connection_pool)
        await redis.enqueue_job("flaky")
        worker = workers.Worker([arq.func(flaky, name="flaky")], redis_pool=redis, burst=True, handle_signals=False)
        await worker.main()

    asyncio.run(main())
    assert [round(at / 600) for at in job.at] == [0, 1, 2]


@pytest.mark.parametrize("in_loop", [True, False])
def test_the_receiver_of_taskiq(clock: FakeClock, in_loop: bool) -> None:
    taskiq: Any = pytest.importorskip("taskiq")
    receiving, job = pytest.importorskip("taskiq.api"), Flaky(2)

    class QueueBroker(taskiq.AsyncBroker):  # type: ignore[misc]  # which is any class
        """The smallest that a receiver can listen to."""

        def __init__(self) -> None:
            super().__init__()
            self._queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def kick(self, message: Any) -> None:
            await self._queue.put(message.message)

        async def listen(self) -> AsyncIterator[bytes]:
            while True:
                yield await self._queue.get()

    async def waits() -> None:
        await asyncio.sleep(600)
        job()

    def waits_in_a_thread() -> None:
        time.sleep(600)
        job()

    async def main() -> None:
        broker = QueueBroker().with_middlewares(taskiq.SimpleRetryMiddleware(default_retry_count=3))
        task = broker.task(task_name="waits", retry_on_error=True)(waits if in_loop else waits_in_a_thread)
        await task.kiq()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receiving.run_receiver_task(broker, run_startup=True), 3600)

    asyncio.run(main())
    assert job.at == [600, 1200, 1800]
    assert time.time() == NOON + 3600


def test_the_worker_of_procrastinate(clock: FakeClock) -> None:
    procrastinate = pytest.importorskip("procrastinate")
    testing = pytest.importorskip("procrastinate.testing")
    app, job = procrastinate.App(connector=testing.InMemoryConnector()), Flaky(2)
    task = app.task(retry=procrastinate.RetryStrategy(max_attempts=3, wait=600), name="flaky")(lambda: job())

    async def main() -> None:
        async with app.open_async():
            await task.defer_async()
            for _ in range(3):
                await app.run_worker_async(wait=False, install_signal_handlers=False)
                clock.advance(600)

    asyncio.run(main())
    assert [round(at / 600) for at in job.at] == [0, 1, 2]


def test_the_eager_mode_of_celery(clock: FakeClock) -> None:
    celery = pytest.importorskip("celery")
    app, job = celery.Celery("shop", set_as_current=False), Flaky(2)
    app.conf.task_always_eager = True

    @app.task(autoretry_for=(ConnectionError,), retry_backoff=600, retry_jitter=False)
    def flaky() -> None:
        job()

    flaky.delay()
    assert job.at == [0, 0, 0]  # it does not wait for countdowns


def test_a_worker_of_celery_in_a_thread() -> None:
    """In a process of its own, as it leaves another root logger and another `Task.__call__` behind."""
    pytest.importorskip("celery")
    done = subprocess.run(
        [sys.executable, "-c", _BESIDE_A_WORKER_OF_CELERY], capture_output=True, text=True, timeout=60
    )
    slept, early, put_off, first, second, third = (float(text) for text in done.stdout.split())
    assert 3600 <= slept < 3660, done.stderr  # both sides poll
    assert (early, 600 <= put_off < 605) == (0, True)
    assert (600 <= second - first < 605, 600 <= third - second < 605) == (True, True)


_BESIDE_A_WORKER_OF_CELERY = f"""
import time

import celery
from celery.contrib.testing.worker import start_worker
from jobchaos import FakeClock

app = celery.Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
done_at = []

@app.task(name="sleeps")
def sleeps():
    time.sleep(3600)
    done_at.append(time.time() - {NOON})

@app.task(name="put off")
def put_off(began):
    done_at.append(time.time() - began)

@app.task(name="flaky", autoretry_for=(ConnectionError,), retry_backoff=600, retry_backoff_max=600, retry_jitter=False)
def flaky():
    done_at.append(time.time() - {NOON})
    if len(done_at) < 6:
        raise ConnectionError("the shop is closed")

clock = FakeClock()
with clock.running({NOON} * 10**9), start_worker(app, perform_ping_check=False, pool="solo"):
    sleeps.delay().get(timeout=7200)
    put_off.apply_async((time.time(),), countdown=600)
    clock.advance(599)
    done_at.append(len(done_at) - 1)
    clock.advance(5)
    flaky.delay().get(timeout=7200)
print(*done_at)
"""


def test_what_fakeredis_keeps_for_a_while(clock: FakeClock) -> None:
    fakeredis = pytest.importorskip("fakeredis")
    connection = fakeredis.FakeStrictRedis()
    connection.set("lock", "me", ex=30)
    clock.advance(29)
    assert connection.get("lock") == b"me"
    clock.advance(2)
    assert connection.get("lock") is None
