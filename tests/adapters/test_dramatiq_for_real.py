"""Dramatiq: what we predict is what real workers do, on a real Redis, killed with SIGKILL."""

from __future__ import annotations

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage

pytest.importorskip("dramatiq")

from tests.adapters.dramatiq_app import make

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("actor", "trouble", "token"),
    [
        ("run", "kill group|order|1", "A1!kill"),
        ("run", "kill group|order|2", "A2!kill"),
        ("run", "hang|order|1", "A1!limit"),
        ("fail", "", "A"),
    ],
)
def test_what_a_worker_does(stage: Stage, redis_broker: str, actor: str, trouble: str, token: str) -> None:
    broker = make(redis_broker, stage.name)

    def work(trouble: str = "") -> None:
        command = ("dramatiq", "tests.adapters.dramatiq_app", "-p", "1", "-t", "1")
        stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=redis_broker, JOBCHAOS_TEST_NAME=stage.name)

    predicted = stage.predicted(job_of(broker.get_actor(actor), (ORDER,), {}), token)
    work(trouble)
    broker.get_actor(actor).send(ORDER)
    if "kill" in trouble:
        stage.dies()
        work()
    stage.proves(
        f"Dramatiq, {actor} with max_retries=2, {trouble or 'which always fails'}: '{token}'",
        predicted,
        lambda: broker.get_actor("run").send(LAST),
        within=15,
        grace=0.5,
    )
    broker.close()
