"""APScheduler: jobs of a scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

pytest.importorskip("apscheduler")
QUICK = Settings(profile="quick")
run: Callable[[str], Any]


@pytest.fixture
def scheduler(sql: Sql) -> Iterator[Any]:
    from apscheduler.schedulers.background import BackgroundScheduler

    global run
    run = sql
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


def add(points: int) -> None:
    run(f"UPDATE users SET points = points + {points}")


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_jobs_are_checked_and_a_kill_loses_a_run(scheduler: Any, sql: Sql) -> None:
    job = scheduler.add_job(add, "interval", hours=1, args=[5], max_instances=2)
    found = check(job_of(job, (), {}), faults=["duplicate", "crash"], settings=QUICK)
    assert codes(found) == ["JC103", "JC303", "JC306"]
    assert "max_instances=2" in found.findings[0].detail
    assert "never made up for" in found.findings[2].detail


async def set_to(points: int) -> None:
    await asyncio.sleep(3600)
    run(f"UPDATE users SET points = {points}")


def test_coroutines_of_a_scheduler_in_a_loop_are_jobs_too(sql: Sql) -> None:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    global run
    run = sql

    async def added() -> Any:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start(paused=True)
        return scheduler.add_job(set_to, "interval", hours=1, args=[5])

    assert check(job_of(asyncio.run(added()), (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert sql("SELECT points FROM users") == [(5,)]


def test_executions_are_handed_over(sql: Sql) -> None:
    from apscheduler.executors.debug import DebugExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    global run
    run = sql
    seen = []

    def around(execution: Execution) -> Any:
        seen.append(execution.task)
        return execution.run()

    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": DebugExecutor()})
    scheduler.start(paused=True)
    job = scheduler.add_job(add, args=[5], misfire_grace_time=None)
    adapter = adapter_of(job)
    assert adapter is not None
    with adapter.executions(around):
        scheduler._lookup_executor("default").submit_job(job, [job.next_run_time])
    scheduler.shutdown()
    assert seen == ["add"]
    assert sql("SELECT points FROM users") == [(5,)]


def test_a_job_takes_no_further_arguments(scheduler: Any) -> None:
    with pytest.raises(UsageError, match="carries its own arguments"):
        job_of(scheduler.add_job(add, "interval", hours=1, args=[5]), (6,), {})
