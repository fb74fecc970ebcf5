"""TaskIQ: what we predict is what real workers do, on a real Redis, killed with SIGKILL."""

from __future__ import annotations

import asyncio

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage

pytest.importorskip("taskiq")
pytest.importorskip("taskiq_redis")

from tests.adapters.taskiq_app import make

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
def test_what_a_worker_does(stage: Stage, redis_broker: str, kind: str, task: str, trouble: str, token: str) -> None:

    async def send(name: str, order: str) -> None:
        broker = make(redis_broker, stage.name, kind)
        await broker.startup()
        await broker.find_task(name).kiq(order)
        await broker.shutdown()

    def work(trouble: str = "") -> None:
        command = ("taskiq", "worker", "tests.adapters.taskiq_app:broker", "-w", "1")
        told = {"JOBCHAOS_TEST_BROKER": redis_broker, "JOBCHAOS_TEST_NAME": stage.name, "JOBCHAOS_TEST_KIND": kind}
        stage.work(*command, trouble=trouble, **told)

    predicted = stage.predicted(job_of(make(redis_broker, stage.name, kind).find_task(task), (ORDER,), {}), token)
    work(trouble)
    asyncio.run(send(task, ORDER))
    if "kill" in trouble:
        stage.dies()
        work()
    if kind == "stream" and trouble:  # it looks for what nobody has acknowledged only after a message has come
        stage.wait(lambda: False, 2)
        asyncio.run(send("run", "another"))
    stage.proves(
        f"TaskIQ, {kind} broker, {task}, {trouble or 'which always fails'}: '{token}'",
        predicted,
        lambda: asyncio.run(send("run", LAST)),
        within=10,
        grace=1,
    )
