"""TaskIQ: what we predict is what real workers do, on a real Redis, killed with SIGKILL."""

from __future__ import annotations

import asyncio

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage, forget, redis_url, show

pytest.importorskip("taskiq")
pytest.importorskip("taskiq_redis")
redis = pytest.importorskip("redis")

from tests.adapters.taskiq_app import make  # noqa: E402 - it needs TaskIQ

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("task", "trouble", "token"),
    [("run", "kill group|order|1", "A1!kill"), ("run", "hang|order|1", "A1!limit"), ("fail", "", "A")],
)
def test_what_a_worker_does(stage: Stage, task: str, trouble: str, token: str) -> None:
    url = redis_url()

    async def send(name: str, order: str) -> None:
        broker = make(url, stage.name)
        await broker.startup()
        await broker.find_task(name).kiq(order)
        await broker.shutdown()

    def work(trouble: str = "") -> None:
        command = ("taskiq", "worker", "tests.adapters.taskiq_app:broker", "-w", "1")
        stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=url, JOBCHAOS_TEST_NAME=stage.name)

    predicted = stage.predicted(job_of(make(url, stage.name).find_task(task), (ORDER,), {}), token)
    work(trouble)
    asyncio.run(send(task, ORDER))
    if "kill" in trouble:
        stage.dies()
        work()
    observed = stage.settles(predicted, lambda: asyncio.run(send("run", LAST)), within=10, grace=1)
    show(f"TaskIQ, ListQueueBroker, {task}, {trouble or 'which always fails'}: '{token}'", predicted, observed)
    stage.end()
    with redis.Redis.from_url(url) as connection:
        forget(connection, stage.name)
    assert observed == predicted
