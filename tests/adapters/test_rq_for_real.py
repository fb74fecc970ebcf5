"""RQ: what we predict is what real workers do, on a real Redis, killed with SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobchaos.adapted import job_of
from tests.adapters import steps
from tests.adapters.reality import LAST, ORDER, Stage, forget, redis_url

rq = pytest.importorskip("rq")
redis = pytest.importorskip("redis")
pytestmark = pytest.mark.thorough


@pytest.fixture
def queue(stage: Stage) -> Iterator[Any]:
    connection = redis.Redis.from_url(redis_url())
    queue = rq.Queue(stage.name, connection=connection)
    yield queue
    stage.wait(lambda: not queue.count and not queue.started_job_registry.get_job_ids(), 5)  # a horse outlives us
    stage.end()
    forget(connection, stage.name)
    connection.close()


@pytest.mark.parametrize(
    ("function", "options", "trouble", "token"),
    [
        (steps.run, {}, "kill self|order|1", "A1!kill"),
        (steps.run, {"retry": 1}, "kill self|order|2", "A2!kill"),
        (steps.run, {"timeout": 1}, "hang|order|1", "A1!limit"),
        (steps.run, {"timeout": 1, "retry": 1}, "hang|order|1", "A1!limit"),
        (steps.fail, {"retry": 2}, "", "A"),
        (steps.fail, {}, "", "A"),
    ],
)
def test_what_a_worker_does(
    stage: Stage, queue: Any, function: Any, options: dict[str, int], trouble: str, token: str
) -> None:
    retry = rq.Retry(max=options["retry"]) if "retry" in options else None
    job = queue.create_job(function, args=(ORDER,), retry=retry, timeout=options.get("timeout"))
    predicted = stage.predicted(job_of(job, (), {}), token)
    stage.work("rq.cli", "worker", queue.name, "--url", redis_url(), trouble=trouble)
    queue.enqueue_job(job)
    stage.proves(
        f"RQ, {function.__name__} with {options or 'no Retry'}, {trouble or 'which always fails'}: '{token}'",
        predicted,
        lambda: queue.enqueue(steps.run, LAST),
        within=10,
        grace=0.5,
    )


@pytest.mark.parametrize(
    ("function", "options", "is_free"),
    [(steps.run, {}, False), (steps.run, {"result_ttl": 0}, True), (steps.fail, {}, False)],
    ids=["result is kept", "no result", "failure is kept"],
)
def test_an_id_is_taken_for_as_long_as_we_say(
    stage: Stage, queue: Any, function: Any, options: dict[str, int], is_free: bool
) -> None:
    from rq.exceptions import DuplicateJobError

    def send() -> Any:
        return queue.enqueue(function, ORDER, job_id=stage.name, unique=True, **options)

    terms = job_of(send(), (), {}).terms
    assert terms is not None
    with pytest.raises(DuplicateJobError):  # it waits
        send()
    rq.SimpleWorker([queue], name=stage.name, connection=queue.connection).work(burst=True)
    kept = terms.key.after_failure if function is steps.fail else terms.key.after_success
    assert (kept == 0) is is_free
    if is_free:
        assert send().id == stage.name
        rq.SimpleWorker([queue], name=stage.name, connection=queue.connection).work(burst=True)
    else:
        with pytest.raises(DuplicateJobError):
            send()
