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
    ("kind", "task", "trouble", "token"),
    [
        ("list", "run", "kill group|order|1", "A1!kill"),
        ("list", "run", "hang|order|1", "A1!limit"),
        ("list", "fail", "", "A"),
        ("stream", "run", "kill group|order|1", "A1!kill A"),  # claimed again after its idle_timeout
        ("stream", "fail", "", "A"),
    ],
)
def test_what_a_worker_does(stage: Stage, kind: str, task: str, trouble: str, token: str) -> None:
    url = redis_url()

    async def send(name: str, order: str) -> None:
        broker = make(url, stage.name, kind)
        await broker.startup()
        await broker.find_task(name).kiq(order)
        await broker.shutdown()

    def work(trouble: str = "") -> None:
        command = ("taskiq", "worker", "tests.adapters.taskiq_app:broker", "-w", "1")
        told = {"JOBCHAOS_TEST_BROKER": url, "JOBCHAOS_TEST_NAME": stage.name, "JOBCHAOS_TEST_KIND": kind}
        stage.work(*command, trouble=trouble, **told)

    predicted = stage.predicted(job_of(make(url, stage.name, kind).find_task(task), (ORDER,), {}), token)
    work(trouble)
    asyncio.run(send(task, ORDER))
    if "kill" in trouble:
        stage.dies()
        work()
    if kind == "stream" and trouble:  # it looks for what nobody has acknowledged only after a message has come
        stage.wait(lambda: False, 2)
        asyncio.run(send("run", "another"))
    observed = stage.settles(predicted, lambda: asyncio.run(send("run", LAST)), within=10, grace=1)
    show(f"TaskIQ, {kind} broker, {task}, {trouble or 'which always fails'}: '{token}'", predicted, observed)
    stage.end()
    with redis.Redis.from_url(url) as connection:
        forget(connection, stage.name)
    assert observed == predicted
