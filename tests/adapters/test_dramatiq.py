"""Dramatiq: actors and messages."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

dramatiq = pytest.importorskip("dramatiq")
QUICK = Settings(profile="quick")


@pytest.fixture
def broker() -> Iterator[Any]:
    from dramatiq.brokers.stub import StubBroker
    from dramatiq.middleware import CurrentMessage

    broker = StubBroker()
    broker.add_middleware(CurrentMessage())
    dramatiq.set_broker(broker)
    yield broker
    broker.close()


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_actors_and_messages_are_checked(broker: Any, sql: Sql) -> None:
    @dramatiq.actor
    def add(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    @dramatiq.actor
    def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    found = check(job_of(add, (5,), {}), faults=["duplicate", "crash"], settings=QUICK)
    assert codes(found) == ["JC103", "JC303"]
    assert "real today" in found.findings[1].detail
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(set_to.message(5), (), {}), settings=QUICK)
    assert verdict.status == "holds"
    assert "any number of sequential crashes" in verdict.claim


def test_classes_of_actors_are_actors(broker: Any, sql: Sql) -> None:
    base: Any = dramatiq.GenericActor

    class Adds(base):  # type: ignore[misc]
        def perform(self, points: int) -> None:
            sql(f"UPDATE users SET points = points + {points}")

    seen = []

    def around(execution: Execution) -> Any:
        seen.append((execution.task, execution.site and execution.site.function))
        return execution.run()

    assert codes(check(job_of(Adds, (5,), {}), faults=["duplicate"], settings=QUICK)) == ["JC103"]
    adapter = adapter_of(Adds)
    assert adapter is not None
    with adapter.executions(around):
        Adds(5)
        Adds.__actor__(6)
    assert seen == [("Adds", "perform")] * 2


def test_coroutine_actors_run_in_virtual_time(broker: Any, sql: Sql) -> None:
    import asyncio

    from dramatiq.middleware.asyncio import AsyncIO

    broker.add_middleware(AsyncIO())

    @dramatiq.actor
    async def set_later(points: int) -> None:
        await asyncio.sleep(3600)
        sql(f"UPDATE users SET points = {points}")

    assert check(job_of(set_later, (5,), {}), faults=["duplicate", "retry"], settings=QUICK).status == "holds"


def test_retries_come_by_the_middleware_with_their_counts(broker: Any, sql: Sql) -> None:
    from dramatiq.middleware import CurrentMessage

    seen = []

    @dramatiq.actor(max_retries=2)
    def fails_once() -> None:
        current = CurrentMessage.get_current_message()
        seen.append((current.message_id, current.options.get("retries", 0)))
        if not current.options.get("retries"):
            raise dramatiq.errors.Retry(delay=60_000)
        sql("UPDATE users SET points = 5")

    assert check(job_of(fails_once, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert {retries for _, retries in seen} == {0, 1}
    assert len({message_id for message_id, _ in seen}) == 1
    assert not broker.queues["default"].qsize()


def test_what_throws_names_is_never_retried(broker: Any, sql: Sql) -> None:
    @dramatiq.actor(throws=(Exception,))
    def once() -> None:
        sql("UPDATE users SET points = 5")

    assert codes(check(job_of(once, (), {}), faults=["retry"], settings=QUICK))[0] == "JC504"


@pytest.mark.parametrize(
    ("options", "executions", "delays"),
    [
        ({"max_retries": 3, "min_backoff": 10, "max_backoff": 50}, 4, [(10, 20), (20, 40), (25, 50)]),
        ({"max_retries": 1}, 2, [(15_000, 30_000)]),
        ({}, 21, []),
    ],
)
def test_the_policy_is_what_dramatiq_computes(
    broker: Any, options: dict[str, Any], executions: int, delays: list[tuple[int, int]]
) -> None:
    @dramatiq.actor(**options)
    def task() -> None: ...

    policy = job_of(task, (), {}).retrying.deliveries
    assert policy is not None
    assert policy.executions == executions
    planned = [policy.delay(number) for number in range(1, len(delays) + 1)]
    assert [(delay.low / 10**6, delay.high / 10**6) for delay in planned] == delays
    for number, (low, high) in enumerate(delays):
        most = options.get("max_backoff", 10**9)
        compute = functools.partial(dramatiq.common.compute_backoff, factor=round(delays[0][0]), max_backoff=most)
        theirs = [compute(number)[1] for _ in range(100)]
        assert low <= min(theirs) <= max(theirs) <= high


def test_a_time_limit_passes_except_exception(broker: Any, sql: Sql) -> None:
    from dramatiq.middleware import TimeLimitExceeded

    @dramatiq.actor
    def swallows() -> None:
        with contextlib.suppress(TimeLimitExceeded):
            sql("UPDATE users SET points = 5")

    @dramatiq.actor
    def goes_on() -> None:
        with contextlib.suppress(Exception):  # it is no Exception
            sql("UPDATE users SET points = 5")

    assert codes(check(job_of(swallows, (), {}), faults=["crash"], settings=QUICK)) == ["JC308"]
    sql("UPDATE users SET points = 0")
    assert check(job_of(goes_on, (), {}), faults=["crash"], settings=QUICK).status == "holds"


def test_children_and_pipelines_are_effects(broker: Any, sql: Sql) -> None:
    @dramatiq.actor
    def notify(user: int) -> None: ...

    @dramatiq.actor
    def settle() -> int:
        notify.send(1)
        return 7

    verdict = check(job_of(settle, (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert verdict.findings[0].message == "settle() enqueues notify(1) twice when it is delivered twice"
    piped = (settle.message() | notify.message()).messages[0]
    verdict = check(piped, faults=["duplicate"], settings=QUICK)
    assert "notify" in verdict.findings[0].message
    assert not broker.queues["default"].qsize()


def test_executions_are_handed_over(broker: Any) -> None:
    seen = []

    @dramatiq.actor
    def double(number: int) -> int:
        return 2 * number

    def around(execution: Execution) -> Any:
        seen.append((execution.task, bool(execution.id)))
        return execution.run()

    worker = dramatiq.Worker(broker, worker_timeout=10)
    adapter = adapter_of(double)
    assert adapter is not None
    with adapter.executions(around):
        assert double(2) == 4
        worker.start()
        double.send(3)
        broker.join("default")
        worker.stop()
    assert double(4) == 8
    assert seen == [("double", False), ("double", True)]


def test_a_message_takes_no_further_arguments(broker: Any) -> None:
    @dramatiq.actor
    def task(number: int) -> None: ...

    with pytest.raises(UsageError, match="carries its own arguments"):
        job_of(task.message(1), (2,), {})


def test_a_pipeline_is_its_first_message_and_a_group_is_several(broker: Any, sql: Sql) -> None:
    @dramatiq.actor
    def first(points: int) -> int:
        sql(f"UPDATE users SET points = {points}")
        return points

    @dramatiq.actor
    def second(points: int) -> None: ...

    pipeline = first.message(5) | second.message()
    assert codes(check(job_of(pipeline, (), {}), faults=["duplicate"], settings=QUICK)) == ["JC101"]
    with pytest.raises(UsageError, match="is several messages: check them one by one"):
        job_of(dramatiq.group([first.message(1), first.message(2)]), (), {})


def test_a_message_of_an_actor_that_no_broker_knows(broker: Any) -> None:
    unknown: Any = dramatiq.Message(queue_name="default", actor_name="unknown", args=(), kwargs={}, options={})
    with pytest.raises(UsageError, match="StubBroker knows no actor 'unknown': import its module, or give the actor"):
        job_of(unknown, (), {})


def test_results_are_kept_nowhere_and_handed_on_as_they_are_in_each_delivery(broker: Any, sql: Sql) -> None:
    from dramatiq.results import ResultBackend, Results

    class FarAway(ResultBackend):  # type: ignore[misc]
        def _store(self, *_: object) -> None:
            raise AssertionError("a result backend was contacted")

    far_away = FarAway()
    broker.add_middleware(Results(backend=far_away))

    @dramatiq.actor(store_results=True)
    def adds() -> int:
        sql("UPDATE users SET points = points + 5")
        return int(sql("SELECT points FROM users")[0][0])

    @dramatiq.actor
    def tells(points: int) -> None: ...

    assert check(job_of(adds, (), {}), faults=["duplicate"], settings=QUICK).findings[0].code == "JC103"
    sql("UPDATE users SET points = 0")
    (found,) = check(job_of(adds.message() | tells.message(), (), {}), faults=["duplicate"], settings=QUICK).findings
    assert found.trace is not None
    sent = [effect.label for effect in found.trace.effects() if effect.kind == "queue"]
    assert sent == ["ENQUEUE tells(5) in default", "ENQUEUE tells(10) in default"]
    assert broker.get_results_backend() is far_away
