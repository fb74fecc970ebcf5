"""Procrastinate: tasks of an app."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

procrastinate = pytest.importorskip("procrastinate")
QUICK = Settings(profile="quick")


@pytest.fixture
def app() -> Any:
    from procrastinate.testing import InMemoryConnector

    return procrastinate.App(connector=InMemoryConnector())


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_tasks_are_checked_and_a_kill_leaves_them_in_doing(app: Any, sql: Sql) -> None:
    @app.task
    def add(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    @app.task
    async def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    assert codes(check(job_of(add, (), {"points": 5}), faults=["duplicate"], settings=QUICK)) == ["JC103"]
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(set_to, (), {"points": 5}), faults=["crash"], settings=QUICK)
    assert codes(verdict) == ["JC307"]
    assert "stays marked as running" in verdict.findings[0].message
    assert "get_stalled_jobs" in verdict.findings[0].fix


def test_what_is_configured_is_what_its_queue_would_run(app: Any, sql: Sql) -> None:
    seen = set()

    @app.task(pass_context=True, queue="mail")
    def set_to(context: Any, points: int, user: int) -> None:
        job = context.job
        seen.add((job.queue, job.lock, job.queueing_lock, job.priority, job.task_kwargs["points"]))
        sql(f"UPDATE users SET points = {points} WHERE id = {user}")

    configured = set_to.configure(queue="urgent", lock="user 1", priority=5, task_kwargs={"points": 5, "user": 2})
    verdict = check(job_of(configured, (), {"user": 1}), faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds"
    assert any("'user 1'" in note for note in verdict.notes)
    assert seen == {("urgent", "user 1", None, 5, 5)}
    assert sql("SELECT points FROM users WHERE id = 1")[0][0] == 5
    with pytest.raises(UsageError, match="keyword arguments only"):
        job_of(configured, (5,), {})
    with pytest.raises(UsageError, match="no app of this program has a task 'elsewhere'"):
        job_of(app.configure_task("elsewhere", allow_unknown=True), (), {})


def test_retries_come_by_the_strategy_with_their_counts(app: Any, sql: Sql) -> None:
    seen = []

    @app.task(pass_context=True, retry=procrastinate.RetryStrategy(max_attempts=3, wait=60))
    def fails_twice(context: Any) -> None:
        seen.append(context.job.attempts)
        if context.job.attempts < 2:
            raise ConnectionError
        sql("UPDATE users SET points = 5")

    assert check(job_of(fails_twice, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert seen[:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "executions", "delays"),
    [
        ({"max_attempts": 3, "wait": 5, "linear_wait": 2, "exponential_wait": 3}, 4, [8, 16, 36]),
        ({"max_attempts": 2}, 3, [0, 0]),
        ({"max_attempts": 0}, float("inf"), [0]),
    ],
)
def test_the_policy_is_what_procrastinate_computes(
    app: Any, options: dict[str, int], executions: float, delays: list[int]
) -> None:
    @app.task(retry=procrastinate.RetryStrategy(**options))
    def task() -> None: ...

    policy = job_of(task, (), {}).retrying.deliveries
    assert policy is not None
    assert policy.executions == executions
    assert [policy.delay(number).low // 10**9 for number in range(1, len(delays) + 1)] == delays


def test_children_are_effects_and_dropped_by_their_queueing_lock(app: Any, sql: Sql) -> None:
    @app.task(name="notify", queue="mail")
    def notify(user: int) -> None: ...

    @app.task
    def settle() -> None:
        notify.defer(user=1)

    @app.task
    async def settles_once() -> None:
        await notify.configure(queueing_lock="notify-1").defer_async(user=1)

    verdict = check(job_of(settle, (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert verdict.findings[0].message == "settle() enqueues notify(user=1) twice when it is delivered twice"
    assert check(job_of(settles_once, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert not app.connector.jobs


def test_executions_are_handed_over(app: Any) -> None:
    seen = []

    @app.task(name="double", pass_context=True)
    async def double(context: Any, number: int) -> int:
        return 2 * number

    async def around(execution: Execution) -> Any:
        seen.append((execution.task, bool(execution.id)))
        return await execution.run()

    async def work() -> None:
        await double.defer_async(number=2)
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)

    adapter = adapter_of(double)
    assert adapter is not None
    with adapter.executions(around):
        asyncio.run(work())
    assert seen == [("double", True)]
    assert [job["status"] for job in app.connector.jobs.values()] == ["succeeded"]


def test_an_app_that_nobody_has_opened_is_neither_opened_nor_contacted(sql: Sql) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo="host=db.example.com"))

    @app.task(name="notify")
    def notify(user: int) -> None: ...

    @app.task
    def settle() -> None:
        notify.defer(user=1)

    (found,) = check(job_of(settle, (), {}), faults=["duplicate"], settings=QUICK).findings
    assert found.message == "settle() enqueues notify(user=1) twice when it is delivered twice"
