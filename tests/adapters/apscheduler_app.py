"""A scheduler of the conformance tests, whose job store survives it: `python -m tests.adapters.apscheduler_app`."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.blocking import BlockingScheduler

from tests.adapters import steps


def make(url: str) -> Any:
    """A scheduler on a job store."""
    return BlockingScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url=url)})


if __name__ == "__main__":
    scheduler = make(os.environ["JOBCHAOS_TEST_BROKER"])
    for order in os.environ["JOBCHAOS_TEST_ORDERS"].split():
        now = datetime.now(timezone.utc)
        scheduler.add_job(steps.run, "date", run_date=now, args=[order], id=order, misfire_grace_time=None)
    scheduler.start()
