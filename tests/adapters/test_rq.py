"""RQ: decorated functions and enqueued jobs."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

rq = pytest.importorskip("rq")
redis = pytest.importorskip("redis")
fakeredis = pytest.importorskip("fakeredis")

QUICK = Settings(profile="quick")
run: Callable[[str], Any]
sends: Callable[[], Any]


@pytest.fixture
def queue(sql: Sql) -> Any:
    """A queue whose server must never be contacted."""
    global run
    run = sql
    return rq.Queue("mail", connection=redis.Redis(host="redis.example.com"))


def add(points: int) -> None:
    run(f"UPDATE users SET points = points + {points}")


def set_to(points: int) -> None:
    run(f"UPDATE users SET points = {points} WHERE id = 1")


def begins() -> None:
    from rq.exceptions import DuplicateJobError

    with contextlib.suppress(DuplicateJobError):
        sends()


async def set_later(points: int) -> None:
    set_to(points)


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def decorated(function: Callable[..., Any], queue: Any, **options: Any) -> Any:
    """A function with the decorator, without changing the one of this module."""

    def copy(*args: Any) -> Any:
        return function(*args)

    return importlib.import_module("rq.decorators").job(queue, connection=queue.connection, **options)(copy)


def test_decorated_functions_and_enqueued_jobs_are_checked(queue: Any, sql: Sql) -> None:
    found = check(job_of(decorated(add, queue), (5,), {}), faults=["duplicate"], settings=QUICK)
    assert codes(found) == ["JC103"]
    sql("UPDATE users SET points = 0")
    for function in (set_to, set_later):
        assert check(queue.create_job(function, args=(5,)), faults=["duplicate"], settings=QUICK).status == "holds"


def test_a_check_gives_a_job_no_identity_that_others_have(queue: Any, sql: Sql) -> None:
    jobs = [queue.create_job(set_to, args=(5,), timeout=-1) for _ in range(2)]
    for job in jobs:
        assert check(job, faults=["duplicate"], settings=QUICK).status == "holds"
    assert jobs[0].id != jobs[1].id


def test_without_retry_a_kill_loses_the_job(queue: Any, sql: Sql) -> None:
    lost = check(queue.create_job(set_to, args=(5,), timeout=-1), faults=["crash"], settings=QUICK)
    assert codes(lost) == ["JC306"]
    assert "no Retry" in lost.findings[0].detail
    kept = queue.create_job(set_to, args=(5,), retry=rq.Retry(max=1))
    sql("UPDATE users SET points = 0")
    assert check(kept, faults=["crash"], settings=QUICK).status == "holds"


@pytest.mark.parametrize(
    ("retry", "delays"),
    [
        (rq.Retry(5, [1, 2, 3]), [1, 1, 1, 2, 3]),
        (rq.Retry(2, [1, 2, 3]), [2, 3]),
        (rq.Retry(3, 60), [60, 60, 60]),
        (rq.Retry(2), [0, 0]),
        (None, []),
    ],
)
def test_the_policy_is_what_rq_computes(queue: Any, retry: Any, delays: list[int]) -> None:
    job = queue.create_job(set_to, args=(5,), retry=retry)
    policy = job_of(job, (), {}).retrying.deliveries
    assert policy is not None
    assert policy.executions == len(delays) + 1
    assert [policy.delay(number).low // 10**9 for number in range(1, len(delays) + 1)] == delays
    theirs = []
    while job.retries_left:
        theirs.append(job.get_retry_interval())
        job.retries_left -= 1
    assert theirs == delays


def test_retries_come_at_their_times_with_their_counts(queue: Any, sql: Sql) -> None:
    seen = []

    def fails_twice() -> Any:
        job = rq.get_current_job()
        seen.append(job.retries_left)
        if job.retries_left > 1:
            raise ConnectionError
        set_to(5)
        return rq.Retry(max=3) if job.number_of_retries < 3 else None

    task = decorated(fails_twice, queue, retry=rq.Retry(max=3))
    assert check(job_of(task, (), {}), faults=["duplicate"], settings=QUICK).status == "holds"
    assert seen[:4] == [3, 2, 1, 0]


def test_a_time_limit_strikes_as_rqs_own_exception(queue: Any, sql: Sql) -> None:
    def swallows() -> None:
        with contextlib.suppress(rq.timeouts.JobTimeoutException):
            set_to(5)

    task = decorated(swallows, queue, retry=rq.Retry(max=3))
    verdict = check(job_of(task, (), {}), faults=["crash"], settings=QUICK)
    assert codes(verdict) == ["JC308"]
    assert "longer than 180 s" in verdict.findings[0].detail


def test_children_are_effects_and_refused_where_rq_refuses_them(queue: Any, sql: Sql) -> None:
    def notifies() -> None:
        queue.enqueue(add, 5)

    def schedules() -> None:
        import datetime

        queue.enqueue_in(datetime.timedelta(minutes=1), add, 5)

    def notifies_once() -> None:
        queue.enqueue(add, 5, job_id="add-5", unique=True)

    for task in (notifies, schedules):
        verdict = check(task, faults=["duplicate"], settings=QUICK)
        assert codes(verdict) == ["JC101"]
        assert f"enqueues {add.__module__}.add(5) twice" in verdict.findings[0].message
    assert check(notifies_once, faults=["duplicate"], settings=QUICK).status == "holds"


def test_what_comes_after_a_child_that_is_refused_is_never_done_unless_the_job_expects_that(
    queue: Any, sql: Sql
) -> None:
    from rq.exceptions import DuplicateJobError

    def trusts() -> None:
        queue.enqueue(add, 5, job_id="add-5", unique=True)
        set_to(5)

    def expects() -> None:
        with contextlib.suppress(DuplicateJobError):
            queue.enqueue(add, 5, job_id="add-5", unique=True)
        set_to(5)

    found = check(trusts, faults=["crash"], settings=QUICK).findings[0]
    assert (found.code, str(found.schedule), found.confirmed) == ("JC304", "A1!kill A", "with a real SIGKILL")
    sql("UPDATE users SET points = 0")
    assert check(expects, faults=["crash"], settings=QUICK).status == "holds"


def test_executions_are_handed_over(sql: Sql, queue: Any) -> None:
    seen = []

    def around(execution: Execution) -> Any:
        seen.append((execution.task, execution.terms.system))
        return execution.run()

    here = rq.Queue("here", connection=fakeredis.FakeStrictRedis(), is_async=False)
    adapter = adapter_of(queue.create_job(set_to, args=(5,)))
    assert adapter is not None
    with adapter.executions(around):
        assert here.enqueue(set_to, 5).is_finished
    assert seen == [(f"{set_to.__module__}.set_to", "RQ")]


def test_an_enqueued_job_takes_no_further_arguments(queue: Any) -> None:
    with pytest.raises(UsageError, match="carries its own arguments"):
        job_of(queue.create_job(set_to, args=(5,)), (6,), {})


def test_a_queue_by_name_needs_a_connection(queue: Any) -> None:
    named = importlib.import_module("rq.decorators").job("mail", connection=None)(lambda: None)
    with pytest.raises(UsageError, match=r"no connection, so that RQ cannot make its job\. Give both"):
        job_of(named, (), {})


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize(
    ("options", "token", "executions"),
    [
        ({}, "A +60s A", 2),
        ({}, "A +600s A", 3),
        ({"result_ttl": 60}, "A +90s A", 3),
        ({"result_ttl": 0}, "A A", 3),
        ({"result_ttl": -1}, "A +600s A", 2),
    ],
    ids=["result is there", "result has expired", "own time", "no result", "for ever"],
)
def test_a_child_that_is_run_keeps_its_id_for_as_long_as_its_result(
    queue: Any, sql: Sql, isolation: str, options: dict[str, Any], token: str, executions: int
) -> None:
    """Parent and child are delivered twice; a further child comes of it where the id is free again."""
    global sends
    sends = functools.partial(queue.enqueue, add, 5, job_id="add-5", unique=True, **options)
    settings = Settings(profile="quick", follow=True, isolation=isolation)
    job = job_of(queue.create_job(begins), (), {})
    (found,) = (one for one in check(job, schedule=token, settings=settings).findings if one.gates)
    assert f"users.points = {5 * executions}, expected 5" in found.message
