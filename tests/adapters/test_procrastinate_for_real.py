"""Procrastinate: what we predict is what real workers do, on a real PostgreSQL, killed with SIGKILL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage, service

pytest.importorskip("procrastinate")
psycopg = pytest.importorskip("psycopg")

from tests.adapters.procrastinate_app import make  # noqa: E402 - it needs Procrastinate

pytestmark = pytest.mark.thorough


def _execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def url(stage: Stage) -> Iterator[str]:
    """A database of its own."""
    server = service(
        "JOBCHAOS_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres", lambda url: _execute(url, "SELECT 1")
    )
    _execute(server, f'CREATE DATABASE "{stage.name}"')
    yield psycopg.conninfo.make_conninfo(server, dbname=stage.name)
    stage.end()
    _execute(server, f'DROP DATABASE "{stage.name}" WITH (FORCE)')


class Queue:
    """A real queue, and an app that uses it in this process as its workers do in theirs."""

    def __init__(self, stage: Stage, url: str) -> None:
        self.stage, self.url = stage, url
        self.app = make(url)
        asyncio.run(self._prepare())

    async def _prepare(self) -> None:
        async with self.app.open_async():
            await self.app.schema_manager.apply_schema_async()

    def defer(self, name: str, order: str, lock: str | None = None) -> None:
        """Put a job into it."""

        async def defer() -> None:
            async with self.app.open_async():
                await self.app.tasks[name].configure(lock=lock).defer_async(order=order)

        asyncio.run(defer())

    def work(self, trouble: str = "") -> None:
        """Start a worker."""
        command = ("procrastinate", "--app", "tests.adapters.procrastinate_app.app", "worker")
        self.stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=self.url)

    def statuses(self) -> list[str]:
        """Of all jobs, the oldest first."""
        return [status for (status,) in _execute(self.url, "SELECT status FROM procrastinate_jobs ORDER BY id")]


@pytest.fixture
def queue(stage: Stage, url: str) -> Queue:
    return Queue(stage, url)


@pytest.mark.parametrize(
    ("task", "trouble", "token", "status"),
    [("run", "kill group|order|1", "A1!kill", "doing"), ("fail", "", "A", "failed")],
)
def test_what_a_worker_does(stage: Stage, queue: Queue, task: str, trouble: str, token: str, status: str) -> None:
    predicted = stage.predicted(job_of(queue.app.tasks[task], (), {"order": ORDER}), token)
    queue.work(trouble)
    queue.defer(task, ORDER)
    if "kill" in trouble:
        stage.dies()
        queue.work()
    what = f"Procrastinate, {task}, {trouble or 'which always fails, max_attempts=2'}: '{token}', then {status!r}"
    stage.proves(what, predicted, lambda: queue.defer("run", LAST), within=10, grace=1)
    assert queue.statuses()[0] == status


@pytest.mark.parametrize(("lock", "status"), [(None, "succeeded"), ("one at a time", "todo")])
def test_a_job_that_stays_in_doing_keeps_out_those_with_its_lock(
    stage: Stage, queue: Queue, lock: str | None, status: str
) -> None:
    configured = queue.app.tasks["run"].configure(lock=lock)
    predicted = stage.predicted(job_of(configured, (), {"order": ORDER}), "A1!kill B")
    queue.work(f"kill group|{ORDER}|1")
    for _ in range(2):
        queue.defer("run", ORDER, lock)
    stage.dies()
    queue.work()
    what = f"Procrastinate, two jobs with the lock {lock!r}: 'A1!kill B', then the other one is {status!r}"
    stage.proves(what, predicted, lambda: queue.defer("run", LAST), within=10, grace=1)
    stage.wait(lambda: queue.statuses()[-1] == "succeeded", 5)  # it is told after the last step
    assert queue.statuses() == ["doing", status, "succeeded"]


def test_a_queueing_lock_is_taken_while_its_job_waits_and_no_longer(queue: Queue) -> None:
    from procrastinate.exceptions import AlreadyEnqueued

    async def send() -> bool:
        try:
            await queue.app.tasks["again"].configure(queueing_lock="one waits").defer_async()
        except AlreadyEnqueued:
            return False
        return True

    answers: list[bool] = []

    @queue.app.task(name="again")
    async def again() -> None:
        if len(answers) < 4:
            answers.extend([await send(), await send()])

    async def work() -> None:
        async with queue.app.open_async():
            answers.extend([await send(), await send()])
            await queue.app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)

    asyncio.run(work())
    assert answers == [True, False] * 2
    assert queue.statuses() == ["succeeded"] * 2
    terms = job_of(again, (), {}).terms
    assert terms is not None
    assert (terms.key.while_running, terms.key.after_success) == (False, 0)
