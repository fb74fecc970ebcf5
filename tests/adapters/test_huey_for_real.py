"""Huey: what we predict is what real consumers do, killed with SIGKILL."""

from __future__ import annotations

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage

pytest.importorskip("huey")

from tests.adapters.huey_app import make

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("task", "kind", "trouble", "token"),
    [
        ("run", "thread", "kill group|order|1", "A1!kill"),
        ("run", "process", "kill group|order|2", "A2!kill"),
        ("run", "process", "hang|order|1", "A1!limit"),
        ("fail", "thread", "", "A"),
    ],
)
def test_what_a_consumer_does(stage: Stage, task: str, kind: str, trouble: str, token: str) -> None:
    queue = str(stage.folder / "huey.db")
    huey = make(queue)

    def work(trouble: str = "") -> None:
        options = ("-w", "1", "-k", kind, "-d", "0.01", "-m", "0.1", "-n")
        command = ("huey.bin.huey_consumer", "tests.adapters.huey_app.huey", *options)
        stage.work(*command, trouble=trouble, JOBCHAOS_TEST_BROKER=queue)

    predicted = stage.predicted(job_of(getattr(huey, task), (ORDER,), {}), token)
    work(trouble)
    getattr(huey, task)(ORDER)
    if "kill" in trouble:
        stage.dies()
        work()
    stage.proves(
        f"Huey, {task} with retries, {kind} worker, {trouble or 'which always fails'}: '{token}'",
        predicted,
        lambda: huey.run(LAST),
        within=10,
        grace=1,
    )
