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


@pytest.mark.parametrize("keep_result", [None, 0], ids=["result is kept", "no result"])
def test_an_id_is_taken_for_as_long_as_we_say(stage: Stage, redis_broker: str, keep_result: int | None) -> None:
    function = arq.func(FUNCTIONS[0].coroutine, name="run", timeout=9, keep_result=keep_result)
    terms = job_of(function, (ORDER,), {}).terms
    assert terms is not None

    async def accepted() -> list[bool]:
        settings = arq.connections.RedisSettings.from_dsn(redis_broker)
        pool = await arq.create_pool(settings, default_queue_name=stage.name)
        options = {"handle_signals": False, "burst": True, "poll_delay": 0}
        worker = arq.Worker(functions=[function], redis_pool=pool, queue_name=stage.name, **options)

        async def send() -> bool:
            return await pool.enqueue_job("run", ORDER, _job_id=stage.name) is not None

        answers = [await send(), await send()]
        await worker.main()
        answers.append(await send())
        await worker.main()
        await pool.aclose(close_connection_pool=True)  # as `worker.close()` would, in words that redis knows
        return answers

    assert asyncio.run(accepted()) == [True, False, terms.key.after_success == 0]
