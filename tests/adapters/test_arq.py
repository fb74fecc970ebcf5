"""arq: functions as `arq.func()` describes them."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from jobchaos import Settings, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

arq = pytest.importorskip("arq")


class WorkerSettings:
    """As a worker is started with."""

    functions: ClassVar[list[Any]] = []


QUICK = Settings(profile="quick")


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_functions_are_checked_and_redelivered(sql: Sql) -> None:
    async def add(context: Any, points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    async def set_to(context: Any, points: int) -> None:
        sql(f"UPDATE users SET points = {points} WHERE id = 1")

    found = check(job_of(arq.func(add), (5,), {}), faults=["duplicate", "crash"], settings=QUICK)
    assert codes(found) == ["JC103", "JC303", "JC308"]
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(arq.func(set_to), (5,), {}), faults=["crash"], settings=QUICK)
    assert codes(verdict) == ["JC308"]  # a timeout is final
    assert "any number of sequential crashes" in verdict.families[0].claim


def test_only_what_arq_retries_is_retried_at_its_time(sql: Sql) -> None:
    seen = []

    async def fails_once(context: Any) -> None:
        seen.append((context["job_id"], context["job_try"]))
        if context["job_try"] == 1:
            raise arq.Retry(defer=60)
        sql("UPDATE users SET points = 5")

    async def fails(context: Any) -> None:
        sql("UPDATE users SET points = 5")

    assert check(job_of(arq.func(fails_once), (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert seen[:2] == [(seen[0][0], 1), (seen[0][0], 2)]
    sql("UPDATE users SET points = 0")
    assert codes(check(job_of(arq.func(fails), (), {}), faults=["retry"], settings=QUICK))[0] == "JC504"


def test_a_job_may_ask_to_be_run_again_at_once(sql: Sql) -> None:
    async def shut_down_once(context: Any) -> None:
        if context["job_try"] == 1:
            raise arq.worker.RetryJob
        sql("UPDATE users SET points = 5")

    verdict = check(job_of(arq.func(shut_down_once), (), {}), faults=["duplicate", "crash"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


def test_tries_are_counted_with_kills(sql: Sql) -> None:
    async def always_retries(context: Any) -> None:
        sql("UPDATE users SET points = 5")
        raise arq.Retry

    verdict = check(job_of(arq.func(always_retries, max_tries=3), (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC903"]
    assert "max 3 retries exceeded" in verdict.findings[0].message


def test_a_timeout_is_what_the_job_sees(sql: Sql) -> None:
    async def set_to(context: Any) -> None:
        sql("UPDATE users SET points = 5")

    verdict = check(job_of(arq.func(set_to, timeout=30), (), {}), faults=["duplicate"], settings=QUICK)
    assert "arq: after 30 s the job gets CancelledError" in verdict.notes


def test_children_are_effects_and_dropped_where_arq_drops_them(sql: Sql) -> None:
    async def notifies(context: Any, **options: Any) -> None:
        await context["redis"].enqueue_job("notify", 1, **options)

    verdict = check(job_of(arq.func(notifies), (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert verdict.findings[0].message == "notifies() enqueues notify(1) twice when it is delivered twice"
    once = job_of(arq.func(notifies), (), {"_job_id": "notify-1"})
    assert check(once, faults=["duplicate"], settings=QUICK).status == "holds"


def test_a_child_that_is_there_already_is_none(sql: Sql) -> None:
    async def trusts(context: Any) -> None:
        child = await context["redis"].enqueue_job("notify", 1, _job_id="notify-1")
        sql(f"UPDATE users SET points = {len(child.job_id)} WHERE id = 1")

    async def expects(context: Any) -> None:
        if await context["redis"].enqueue_job("notify", 1, _job_id="notify-1") is None:
            assert sql("SELECT points FROM users") != [(7,)]
        sql("UPDATE users SET points = 5 WHERE id = 1")

    found = check(job_of(arq.func(trusts), (), {}), faults=["crash"], settings=QUICK).findings
    assert "JC304" in [one.code for one in found]
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(arq.func(expects), (), {}), faults=["crash"], settings=QUICK)
    assert codes(verdict) == ["JC308"]  # a timeout is final


@pytest.mark.parametrize(
    ("options", "token", "executions"),
    [
        ({}, "A +60s A", 2),
        ({}, "A +3700s A", 3),
        ({"keep_result": 60}, "A +90s A", 3),
        ({"keep_result": 0}, "A A", 3),
        ({"keep_result_forever": True}, "A +3700s A", 2),
    ],
    ids=["result is there", "result has expired", "own time", "no result", "for ever"],
)
def test_a_child_that_is_run_keeps_its_id_for_as_long_as_its_result(
    sql: Sql, options: dict[str, Any], token: str, executions: int
) -> None:
    """Parent and child are delivered twice; a further child comes of it where the id is free again."""

    async def adds(_context: Any) -> None:
        sql("UPDATE users SET points = points + 5")

    async def begins(context: Any) -> None:
        await context["redis"].enqueue_job("adds", _job_id="add-5")

    WorkerSettings.functions = [arq.func(adds, name="adds", **options), arq.func(begins, name="begins")]
    settings = Settings(profile="quick", follow=True)
    verdict = check(job_of(WorkerSettings.functions[1], (), {}), schedule=token, settings=settings)
    (found,) = (one for one in verdict.findings if one.gates)
    assert f"users.points = {5 * executions}, expected 5" in found.message


def test_what_on_startup_would_have_given_is_asked_for(sql: Sql) -> None:
    async def needs_more(context: Any) -> None:
        context["database"].close()

    verdict = check(job_of(arq.func(needs_more), (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC903"]
    assert "on_startup" in verdict.findings[0].message


def test_executions_are_handed_over() -> None:
    import asyncio

    seen = []

    async def double(context: Any, number: int) -> int:
        return 2 * number

    async def around(execution: Execution) -> Any:
        seen.append((execution.task, execution.id, execution.is_async))
        return await execution.run()

    async def work() -> None:
        worker = arq.Worker(functions=[arq.func(double, name="double")], handle_signals=False, redis_pool=object())
        assert await worker.functions["double"].coroutine({"job_id": "1"}, 2) == 4

    adapter = adapter_of(arq.func(double))
    assert adapter is not None
    with adapter.executions(around):
        asyncio.run(work())
    assert seen == [("double", "1", True)]
