"""APScheduler: what we predict is what a real scheduler does, on a job store that survives its SIGKILL."""

from __future__ import annotations

import pytest

from jobchaos.adapted import job_of
from tests.adapters import steps
from tests.adapters.reality import LAST, ORDER, Stage

pytest.importorskip("apscheduler")
pytest.importorskip("sqlalchemy")

from apscheduler.schedulers.background import BackgroundScheduler

pytestmark = pytest.mark.thorough


def test_a_killed_run_is_never_made_up_for(stage: Stage) -> None:
    store = f"sqlite:///{stage.folder / 'jobs.db'}"
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    job = scheduler.add_job(steps.run, "interval", hours=1, args=[ORDER])
    predicted = stage.predicted(job_of(job, (), {}), "A1!kill")
    scheduler.shutdown()

    def work(orders: str, trouble: str = "") -> None:
        environment = {"JOBCHAOS_TEST_BROKER": store, "JOBCHAOS_TEST_ORDERS": orders}
        stage.work("tests.adapters.apscheduler_app", trouble=trouble, **environment)

    work(ORDER, f"kill group later|{ORDER}|1")
    stage.dies()
    stage.proves("APScheduler, SQLAlchemyJobStore, SIGKILL at 'A1!kill'", predicted, lambda: work(LAST), within=5)
