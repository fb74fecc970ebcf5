"""TaskIQ: tasks of any broker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from jobchaos.core.terms import AfterKill
from tests.database import Sql

taskiq = pytest.importorskip("taskiq")
QUICK = Settings(profile="quick")
NEEDED = taskiq.TaskiqDepends()
LEAST_ONCE = Settings(profile="quick", delivery="at-least-once")


@pytest.fixture
def broker() -> Any:
    return taskiq.InMemoryBroker(await_inplace=True)


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_tasks_are_checked_and_list_brokers_lose_them(broker: Any, sql: Sql) -> None:
    @broker.task
    async def add(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    @broker.task
    def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    assert codes(check(job_of(add, (5,), {}), faults=["duplicate"], settings=QUICK)) == ["JC103"]
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(set_to, (5,), {}), settings=QUICK)
    assert codes(verdict)[0] == "JC306"
    assert "InMemoryBroker takes a message out" in verdict.findings[0].detail
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(set_to, (5,), {}), faults=["crash"], settings=LEAST_ONCE)
    assert verdict.status == "holds"
    assert "any number of sequential crashes" in verdict.claim


def test_arguments_are_those_that_a_sender_gives(broker: Any) -> None:
    async def task(user: int, connection: str, level: int = 1) -> None: ...

    task.__annotations__["connection"] = Annotated[str, taskiq.TaskiqDepends(lambda: "")]
    task = broker.task(task)
    assert job_of(task, (1,), {"level": 2}).label == "task(1, level=2)"
    with pytest.raises(UsageError, match="missing a required argument: 'user'"):
        job_of(task, (), {})


def test_retries_come_by_the_middleware_at_their_times(broker: Any, sql: Sql) -> None:
    from taskiq import SmartRetryMiddleware

    broker.add_middlewares(SmartRetryMiddleware(default_retry_count=4, default_delay=60, use_jitter=False))
    seen = []

    @broker.task(retry_on_error=True)
    async def fails_twice(context: taskiq.Context = NEEDED) -> None:  # type: ignore[name-defined]
        seen.append((context.message.task_id, context.message.labels.get("_retries", 0)))
        if len({retries for _, retries in seen}) < 3 and context.message.labels.get("_retries", 0) < 2:
            raise ConnectionError
        sql("UPDATE users SET points = 5")

    assert check(job_of(fails_twice, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert [int(retries) for _, retries in seen[:3]] == [0, 1, 2]
    assert len({task_id for task_id, _ in seen}) == 1


def test_what_a_task_says_of_its_own_message_is_done(broker: Any, sql: Sql) -> None:
    from taskiq.exceptions import NoResultError

    requeued = []

    @broker.task
    async def puts_back_once(context: taskiq.Context = NEEDED) -> None:  # type: ignore[name-defined]
        requeued.append((context.message.task_id, context.message.labels.get("X-Taskiq-requeue")))
        if "X-Taskiq-requeue" not in context.message.labels:
            await context.requeue()
        sql("UPDATE users SET points = 5")

    @broker.task
    async def keeps_its_result() -> None:
        sql("UPDATE users SET points = 5")
        raise NoResultError

    @broker.task
    async def rejects(context: taskiq.Context = NEEDED) -> None:  # type: ignore[name-defined]
        context.reject()

    verdict = check(job_of(puts_back_once, (), {}), faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert requeued[:2] == [(requeued[0][0], None), (requeued[0][0], "1")]
    sql("UPDATE users SET points = 0")
    assert check(job_of(keeps_its_result, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    verdict = check(job_of(rejects, (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC903"]
    assert "TaskRejectedError" in verdict.findings[0].message


@pytest.mark.parametrize(
    ("options", "labels", "executions", "delays"),
    [
        ({"use_jitter": True}, {"max_retries": 3}, 3, [(5, 6), (5, 7)]),
        ({"use_delay_exponent": True}, {"max_retries": 5}, 5, [(delay, delay) for delay in (5, 10, 30, 60)]),
        ({}, {"delay": 1}, 3, [(1, 1), (1, 1)]),
    ],
)
def test_the_policy_is_what_taskiq_computes(
    broker: Any, options: dict[str, Any], labels: dict[str, Any], executions: int, delays: list[tuple[float, float]]
) -> None:
    from taskiq import SmartRetryMiddleware

    broker.add_middlewares(SmartRetryMiddleware(**options))

    @broker.task(retry_on_error=True, **labels)
    async def task() -> None: ...

    policy = job_of(task, (), {}).retrying.deliveries
    assert policy is not None
    assert policy.executions == executions
    planned = [policy.delay(number) for number in range(1, executions)]
    assert [(delay.low / 10**9, delay.high / 10**9) for delay in planned] == delays


def test_a_time_limit_strikes_as_being_cancelled(broker: Any, sql: Sql) -> None:
    @broker.task(timeout=30)
    async def swallows() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            sql("UPDATE users SET points = 5")

    assert codes(check(job_of(swallows, (), {}), faults=["crash"], settings=LEAST_ONCE)) == ["JC308"]


def test_children_are_effects(broker: Any, sql: Sql) -> None:
    @broker.task(task_name="notify")
    async def notify(user: int) -> None: ...

    @broker.task
    async def settle() -> None:
        await notify.kiq(1)

    verdict = check(job_of(settle, (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert verdict.findings[0].message == "settle() enqueues notify(1) twice when it is delivered twice"


def test_executions_are_handed_over(broker: Any) -> None:
    seen = []

    @broker.task(task_name="double")
    async def double(number: int) -> int:
        return 2 * number

    async def around(execution: Execution) -> Any:
        seen.append((execution.task, bool(execution.id)))
        return await execution.run()

    async def work() -> None:
        sent = await double.kiq(2)
        assert (await sent.wait_result()).return_value == 4
        assert await double(3) == 6

    adapter = adapter_of(double)
    assert adapter is not None
    with adapter.executions(around):
        asyncio.run(work())
    assert seen == [("double", True), ("double", False)]


def test_a_stream_broker_delivers_again_and_the_report_says_when() -> None:
    taskiq_redis = pytest.importorskip("taskiq_redis")
    broker = taskiq_redis.RedisStreamBroker("redis://broker.example.com", idle_timeout=5000)

    @broker.task
    async def task() -> None: ...

    terms = job_of(task, (), {}).terms
    assert terms is not None
    assert terms.after_kill is AfterKill.REDELIVERED
    assert terms.remarks[0].startswith("what a dead worker has left is claimed when it is 5 s old")


def test_a_kicker_is_its_task_with_other_labels() -> None:
    broker = taskiq.InMemoryBroker()
    broker.add_middlewares(taskiq.SimpleRetryMiddleware())

    @broker.task
    async def task(points: int) -> None: ...

    kicker = task.kicker().with_labels(retry_on_error=True, max_retries=2, timeout=7)
    job = job_of(kicker, (5,), {})
    assert job.terms is not None
    assert (job.name, job.args, job.terms.soft_limit) == ("task", (5,), 7)
    assert [policy.executions for policy in job.retrying.policies] == [2]
    with pytest.raises(UsageError, match="InMemoryBroker knows no task 'unknown': import its module"):
        job_of(task.kicker().__class__("unknown", broker, {}), (), {})
