"""Procrastinate: tasks of an app."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from jobchaos.core.trace import Happening
from tests.adapters.small_suite import causes, run
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
    assert any("jobs with the lock 'user 1' run one after the other" in note for note in verdict.notes)
    assert seen == {("urgent", "user 1", None, 5, 5)}
    assert sql("SELECT points FROM users WHERE id = 1")[0][0] == 5
    with pytest.raises(UsageError, match="keyword arguments only"):
        job_of(configured, (5,), {})
    with pytest.raises(UsageError, match="no app of this program has a task 'elsewhere'"):
        job_of(app.configure_task("elsewhere", allow_unknown=True), (), {})


def racing(app: Any, sql: Sql, name: str, *, lock: str | None) -> Any:
    """A task that looks before it acts, so that only a lock keeps two of it from acting."""

    @app.task(name=name, lock=lock)
    def adds_once(points: int) -> None:
        if sql("SELECT points FROM users WHERE id = 1") == [(0,)]:
            sql(f"UPDATE users SET points = points + {points} WHERE id = 1")

    return adds_once


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_jobs_with_one_lock_do_not_overlap(app: Any, sql: Sql, isolation: str) -> None:
    free = job_of(racing(app, sql, "free", lock=None), (), {"points": 5})
    alone = job_of(racing(app, sql, "alone", lock="user 1"), (), {"points": 5})
    settings = Settings(profile="quick", isolation=isolation)
    assert codes(check(free, faults=["concurrent"], settings=settings)) == ["JC203"]
    sql("UPDATE users SET points = 0")
    verdict = check(alone, faults=["concurrent"], settings=settings)
    assert verdict.status == "holds"
    assert "one after the other, as they have one lock" in verdict.claim
    sql("UPDATE users SET points = 0")
    assert check(alone, schedule="A1 B A", settings=settings).status == "holds"


def test_a_lock_does_not_help_where_live_workers_lose_their_jobs(app: Any, sql: Sql) -> None:
    alone = job_of(racing(app, sql, "alone", lock="user 1"), (), {"points": 5})
    settings = Settings(profile="quick", delivery="at-least-once")
    assert codes(check(alone, faults=["concurrent"], settings=settings)) == ["JC203"]


def test_different_jobs_are_kept_apart_by_the_same_lock_only(app: Any, sql: Sql) -> None:
    def found(*locks: str | None) -> list[str]:
        sql("UPDATE users SET points = 0")
        tasks = [racing(app, sql, f"task {number} of {locks}", lock=lock) for number, lock in enumerate(locks)]
        return codes(check(*(job_of(task, (), {"points": 5}) for task in tasks), settings=QUICK))

    assert found("user 1", "user 1") == []
    assert found("user 1", "user 2") != []
    assert found("user 1", None) != []
    assert found("user 1", "user 1", None) != []


UNCHANGED = """
import asyncio

import procrastinate
from procrastinate.testing import InMemoryConnector

app = procrastinate.App(connector=InMemoryConnector())


@app.task
def adds_once(points):
    if run("SELECT points FROM users") == [[(0,)]]:
        run(f"UPDATE users SET points = points + {points}")


async def works_off(lock):
    app.connector.reset()
    await adds_once.configure(lock=lock).defer_async(points=5)
    await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
"""


@pytest.mark.parametrize(("lock", "found"), [(None, [("JC203", "A", "app.adds_once")]), ("user 1", [])])
def test_in_an_unchanged_suite_the_lock_of_the_job_counts(
    pytester: pytest.Pytester, lock: str | None, found: list[tuple[str, str, str]]
) -> None:
    tests = f"import asyncio\n\ndef test():\n    asyncio.run(app.works_off({lock!r}))\n    assert points() == 5\n"
    result = run(pytester, app=UNCHANGED, test_app=tests)
    assert causes(result) == found
    result.stdout.fnmatch_lines(["Procrastinate: 1 of 1 tests execute tasks, 1 of them replayed*"])


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


def test_children_are_effects_and_refused_by_their_queueing_lock(app: Any, sql: Sql) -> None:
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


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_what_comes_after_a_child_that_is_refused_is_never_done_unless_the_job_expects_that(
    app: Any, sql: Sql, isolation: str
) -> None:
    notify = app.task(name="notify")(print)

    @app.task
    def trusts() -> None:
        notify.configure(queueing_lock="notify-1").defer(user=1)
        sql("UPDATE users SET points = 5")

    @app.task
    def expects() -> None:
        with contextlib.suppress(procrastinate.exceptions.AlreadyEnqueued):
            notify.configure(queueing_lock="notify-1").defer(user=1)
        sql("UPDATE users SET points = 5")

    settings = Settings(profile="quick", delivery="at-least-once", isolation=isolation)
    found, advice = check(job_of(trusts, (), {}), faults=["crash"], settings=settings).findings
    assert (found.code, str(found.schedule), advice.code) == ("JC304", "A1!kill A", "JC701")
    assert found.trace is not None
    assert [event.detail for event in found.trace.events if event.happening is Happening.RAISED] == [
        "AlreadyEnqueued: Job cannot be enqueued: there is already a job in the queue with the queueing lock notify-1"
    ]
    sql("UPDATE users SET points = 0")
    assert check(job_of(expects, (), {}), faults=["crash"], settings=settings).status == "holds"


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
