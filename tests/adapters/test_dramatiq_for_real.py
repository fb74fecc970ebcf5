"""Dramatiq: what we predict is what real workers do, on a real Redis, killed with SIGKILL."""

from __future__ import annotations

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage, forget, redis_url, show

pytest.importorskip("dramatiq")
redis = pytest.importorskip("redis")

from tests.adapters.dramatiq_app import make  # noqa: E402 - it needs Dramatiq

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
def test_what_a_worker_does(stage: Stage, actor: str, trouble: str, token: str) -> None:
    url = redis_url()
    broker = make(url, stage.name)

    def work(trouble: str = "") -> None:
        command = ("dramatiq", "tests.adapters.dramatiq_app", "-p", "1", "-t", "1")
        stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=url, JOBCHAOS_TEST_NAME=stage.name)

    predicted = stage.predicted(job_of(broker.get_actor(actor), (ORDER,), {}), token)
    work(trouble)
    broker.get_actor(actor).send(ORDER)
    if "kill" in trouble:
        stage.dies()
        work()
    observed = stage.settles(predicted, lambda: broker.get_actor("run").send(LAST), within=15, grace=0.5)
    show(f"Dramatiq, {actor} with max_retries=2, {trouble or 'which always fails'}: '{token}'", predicted, observed)
    stage.end()
    broker.close()
    with redis.Redis.from_url(url) as connection:
        forget(connection, stage.name)
    assert observed == predicted
