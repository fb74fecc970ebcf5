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


@pytest.mark.parametrize(
    ("task", "trouble", "token", "status"),
    [("run", "kill group|order|1", "A1!kill", "doing"), ("fail", "", "A", "failed")],
)
def test_what_a_worker_does(stage: Stage, url: str, task: str, trouble: str, token: str, status: str) -> None:
    app = make(url)

    async def prepare() -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    async def defer(name: str, order: str) -> None:
        async with app.open_async():
            await app.tasks[name].defer_async(order=order)

    def work(trouble: str = "") -> None:
        command = ("procrastinate", "--app", "tests.adapters.procrastinate_app.app", "worker")
        stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=url)

    predicted = stage.predicted(job_of(app.tasks[task], (), {"order": ORDER}), token)
    asyncio.run(prepare())
    work(trouble)
    asyncio.run(defer(task, ORDER))
    if "kill" in trouble:
        stage.dies()
        work()
    what = f"Procrastinate, {task}, {trouble or 'which always fails, max_attempts=2'}: '{token}', then {status!r}"
    stage.proves(what, predicted, lambda: asyncio.run(defer("run", LAST)), within=10, grace=1)
    assert _execute(url, "SELECT status FROM procrastinate_jobs ORDER BY id LIMIT 1") == [(status,)]
