"""arq: what we predict is what real workers do, on a real Redis, killed with SIGKILL."""

from __future__ import annotations

import asyncio

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage

arq = pytest.importorskip("arq")

from tests.adapters.arq_app import FUNCTIONS  # noqa: E402 - it needs arq

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("function", "trouble", "token"),
    [
        ("run", "kill group|order|1", "A1!kill"),  # a worker's in-progress keys live for 10 s more than its jobs
        ("run", "hang|order|1", "A1!limit"),
        ("fail", "", "A"),
    ],
)
def test_what_a_worker_does(stage: Stage, redis_broker: str, function: str, trouble: str, token: str) -> None:

    async def enqueue(name: str, order: str) -> None:
        pool = await arq.create_pool(
            arq.connections.RedisSettings.from_dsn(redis_broker), default_queue_name=stage.name
        )
        await pool.enqueue_job(name, order, _job_id=f"{stage.name}:{order}")
        await pool.aclose()

    def work(trouble: str = "") -> None:
        command = ("arq", "tests.adapters.arq_app.WorkerSettings")
        stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=redis_broker, JOBCHAOS_TEST_NAME=stage.name)

    tested = next(known for known in FUNCTIONS if known.name == function)
    predicted = stage.predicted(job_of(tested, (ORDER,), {}), token)
    work(trouble)
    asyncio.run(enqueue(function, ORDER))
    if "kill" in trouble:
        stage.dies()
        work()
    stage.proves(
        f"arq, {function}, {trouble or 'which always asks for a retry, max_tries=3'}: '{token}'",
        predicted,
        lambda: asyncio.run(enqueue("run", LAST)),
        within=20,
        grace=0.5,
    )
