"""Huey: tasks, called or enqueued."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check, throttled
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

huey_package = pytest.importorskip("huey")
QUICK = Settings(profile="quick")


@pytest.fixture
def huey() -> Any:
    return huey_package.MemoryHuey("shop")


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings if finding.gates]


def test_tasks_are_checked_and_a_kill_loses_them(huey: Any, sql: Sql) -> None:
    @huey.task()
    def add(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    @huey.task(retries=2)
    def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    assert codes(check(job_of(add, (5,), {}), faults=["duplicate"], settings=QUICK)) == ["JC103"]
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(set_to.s(5), (), {}), settings=QUICK)
    assert codes(verdict) == ["JC306"]
    assert "not even retries=" in verdict.findings[0].detail
    assert "any number of sequential crashes" in verdict.families[2].claim
    assert not len(huey)


@pytest.mark.parametrize("isolation", ["auto", "process"])
def test_locks_keep_copies_apart(huey: Any, sql: Sql, isolation: str) -> None:
    quick = Settings(profile="quick", isolation=isolation)

    def once(points: int) -> None:
        if sql("SELECT points FROM users WHERE id = 1") == [(0,)]:
            sql(f"UPDATE users SET points = points + {points} WHERE id = 1")

    @huey.task(name="within", retries=2)
    def within(points: int) -> None:
        with huey.lock_task("one at a time"):
            once(points)

    alone = huey.task(name="alone")(huey.lock_task("one at a time")(once))
    free = huey.task(name="free")(once)
    assert codes(check(job_of(free, (5,), {}), faults=["concurrent"], settings=quick)) == ["JC203"]
    for task in (alone, within):
        sql("UPDATE users SET points = 0")
        assert check(job_of(task, (5,), {}), faults=["concurrent"], settings=quick).status == "holds"
    sql("UPDATE users SET points = 0")
    settings = Settings(profile="quick", delivery="at-least-once", isolation=isolation)
    assert check(job_of(within, (5,), {}), faults=["crash"], settings=settings).status == "holds"
    assert not huey.lock_task("one at a time").is_locked()


def test_locks_that_no_block_frees_end_with_their_worker_and_with_the_run(huey: Any, sql: Sql) -> None:
    @huey.task(retries=1)
    def frees_it_itself() -> None:
        lock = huey.lock_task("one at a time")
        lock.acquire()
        sql("UPDATE users SET points = 5")
        assert lock.clear()

    @huey.task()
    def never_frees_it() -> None:
        huey.lock_task("one at a time").acquire()
        sql("UPDATE users SET points = 5")

    settings = Settings(profile="quick", delivery="at-least-once")
    assert check(job_of(frees_it_itself, (), {}), faults=["crash"], settings=settings).status == "holds"
    sql("UPDATE users SET points = 0")
    assert check(job_of(never_frees_it, (), {}), faults=["duplicate"], settings=settings).status == "holds"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_lock_with_a_ttl_is_a_lease(huey: Any, sql: Sql, isolation: str) -> None:
    def once() -> None:
        if sql("SELECT points FROM users WHERE id = 1") == [(0,)]:
            sql("UPDATE users SET points = points + 5 WHERE id = 1")

    @huey.task(name="leased")
    def leased() -> None:
        with huey.lock_task("one at a time", ttl=60):
            once()

    @huey.task(name="at_once")
    def at_once() -> None:
        with huey.lock_task("one at a time", ttl=60):
            sql("UPDATE users SET points = 5 WHERE id = 1")

    quick = Settings(profile="quick", isolation=isolation)
    (found, *_) = check(job_of(leased, (), {}), faults=["expiry"], settings=quick).findings
    assert (found.code, str(found.schedule)) == ("JC612", "A1 +61s B A")
    assert found.detail.startswith("lease one at a time: it ran out for A at +60 s")
    sql("UPDATE users SET points = 0")
    assert check(job_of(at_once, (), {}), faults=["concurrent", "expiry"], settings=quick).status == "holds"


def test_results_of_several_tasks_are_no_job(huey: Any) -> None:
    group = huey.task()(print).map([1, 2])
    with pytest.raises(UsageError, match="of several tasks: check them one by one"):
        job_of(group, (), {})


def test_retries_come_at_their_times_with_their_counts(huey: Any, sql: Sql) -> None:
    seen = []

    @huey.task(retries=2, retry_delay=60, retry_backoff=2, context=True)
    def fails_twice(task: Any = None) -> None:
        seen.append((task.retries, task.retry_delay))
        if task.retries:
            raise ConnectionError
        sql("UPDATE users SET points = 5")

    assert check(job_of(fails_twice, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert seen[:3] == [(2, 60), (1, 120), (0, 240)]


def test_control_flow_passes(huey: Any, sql: Sql) -> None:
    from huey.exceptions import CancelExecution, RetryTask

    @huey.task(context=True)
    def waits(task: Any = None) -> None:
        if task.retry_delay == 0 and sql("SELECT points FROM users") == [(0,)]:
            sql("UPDATE users SET points = 5")
            raise RetryTask(delay=30)
        sql("UPDATE users SET points = 6")

    @huey.task(retries=3)
    def cancels() -> None:
        sql("UPDATE users SET points = 5")
        raise CancelExecution(retry=False)

    assert check(job_of(waits, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    # A task that cancels itself has ended, and nobody is told of an error.
    assert check(job_of(cancels, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"


def test_a_task_that_asks_to_be_retried_for_ever_is_told_of_in_its_own_words(huey: Any) -> None:
    from huey.exceptions import RetryTask

    @huey.task()
    def polls() -> None:
        raise RetryTask(delay=5)

    (found,) = check(job_of(polls, (), {}), faults=["duplicate"], settings=QUICK).findings
    assert found.message.startswith("polls() fails without any fault: RetryTask, to be retried in 5 s. A job must")
    assert "jobchaos" not in found.detail


def test_the_policy_is_what_huey_computes(huey: Any) -> None:
    @huey.task(retries=4, retry_delay=60, retry_backoff=2)
    def task() -> None: ...

    policy = job_of(task, (), {}).retrying.deliveries
    assert policy is not None
    assert policy.executions == 5
    assert [policy.delay(number).low // 10**9 for number in range(1, 5)] == [60, 120, 240, 480]


def test_a_time_limit_strikes_as_hueys_own_exception(huey: Any, sql: Sql) -> None:
    @huey.task(timeout=30, retries=1)
    def swallows() -> None:
        with contextlib.suppress(huey_package.exceptions.TaskTimeout):
            sql("UPDATE users SET points = 5")

    accepted = Settings(profile="quick", delivery="at-least-once")
    verdict = check(job_of(swallows, (), {}), faults=["crash"], settings=accepted)
    assert codes(verdict) == ["JC308"]
    assert any("do not enforce timeout=" in note for note in verdict.notes)


@pytest.mark.parametrize("immediate", [False, True])
def test_children_and_pipelines_are_effects(huey: Any, sql: Sql, immediate: bool) -> None:
    huey.immediate = immediate

    @huey.task()
    def notify(user: int) -> None: ...

    @huey.task()
    def settle() -> int:
        notify.schedule((1,), delay=60)
        return 7

    verdict = check(job_of(settle, (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert verdict.findings[0].message == "settle() enqueues notify(1) twice when it is delivered twice"
    verdict = check(job_of(settle.s().then(notify), (), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert huey.immediate is immediate


def test_executions_are_handed_over(huey: Any) -> None:
    huey.immediate = True
    seen = []

    @huey.task()
    def double(number: int) -> int:
        return 2 * number

    def around(execution: Execution) -> Any:
        seen.append((execution.task, bool(execution.id)))
        return execution.run()

    adapter = adapter_of(double)
    assert adapter is not None
    with adapter.executions(around):
        assert double(2).get() == 4
        assert double.call_local(3) == 6
    assert double.call_local(4) == 8
    assert seen == [("double", True), ("double", False)]


def test_an_enqueued_task_takes_no_further_arguments(huey: Any) -> None:
    @huey.task()
    def task(number: int) -> None: ...

    with pytest.raises(UsageError, match="carries its own arguments"):
        job_of(task(1), (2,), {})


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("locked", [True, False], ids=["one lock", "no lock"])
def test_locks_keep_children_apart_that_are_run(huey: Any, sql: Sql, isolation: str, locked: bool) -> None:
    def tops_up() -> None:
        if sql("SELECT points FROM users WHERE id = 1") == [(0,)]:
            sql("UPDATE users SET points = points + 5 WHERE id = 1")

    child = huey.task(name="tops_up")(huey.lock_task("user-1")(tops_up) if locked else tops_up)

    @huey.task()
    def begins() -> None:
        child()

    settings = Settings(profile="quick", follow=True, isolation=isolation)
    verdict = check(job_of(begins, (), {}), faults=["concurrent"], settings=settings)
    assert codes(verdict) == ([] if locked else ["JC203"])


def test_what_comes_then_is_given_the_result_of_each_delivery(huey: Any, sql: Sql) -> None:
    @huey.task()
    def adds() -> int:
        sql("UPDATE users SET points = points + 5")
        return int(sql("SELECT points FROM users")[0][0])

    tells = huey.task(name="tells")(print)
    (found,) = check(job_of(adds.s().then(tells), (), {}), faults=["duplicate"], settings=QUICK).findings
    assert found.trace is not None
    sent = [effect.label for effect in found.trace.effects() if effect.kind == "queue"]
    assert sent == ["ENQUEUE tells(5) in shop", "ENQUEUE tells(10) in shop"]


@pytest.mark.parametrize(("calls", "found"), [(4, ["JC530"]), (5, ["JC530"]), (10, [])])
def test_a_rate_limit_holds_for_all_copies_but_at_the_edges_of_its_windows(
    huey: Any, sql: Sql, calls: int, found: list[str]
) -> None:
    @huey.task(retries=3)
    @huey.rate_limit("provider", 5, per=60)
    def charges() -> None:
        sql("UPDATE users SET points = points + 5")

    assert codes(throttled(job_of(charges, (), {}), calls=calls, per=60, to="UPDATE users")) == found


def test_a_rate_limit_postpones_nothing_where_copies_do_not_come_at_once(huey: Any, sql: Sql) -> None:
    @huey.task()
    @huey.rate_limit("provider", 1, per=3600, retry=False)
    def settles() -> None:
        sql("UPDATE users SET points = 5")

    settings = Settings(profile="quick", delivery="at-least-once")
    faults = ["duplicate", "concurrent", "crash"]
    assert check(job_of(settles, (), {}), faults=faults, settings=settings).status == "holds"
    assert huey.rate_limit("provider", 1, per=3600).current_usage() == 0
