"""A killed worker logs nothing more; whoever lives does."""

from __future__ import annotations

import logging
import time

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.probes.logs import LogProbe
from tests.probes.conftest import Watch

LOG = logging.getLogger("shop")


def job() -> None:
    LOG.warning("begins")
    try:
        time.sleep(1)
    except BaseException:
        LOG.exception("a library that logs whatever ends it")
        raise
    LOG.warning("ends")


def test_a_dead_worker_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    check(job, faults=["crash"], settings=Settings(profile="quick", isolation="thread"))
    assert {record.getMessage() for record in caplog.records} == {"begins", "ends"}


def test_logging_is_as_it_was_afterwards(watch: Watch) -> None:
    before = vars(logging.Logger)["handle"]
    watch(lambda: None, "A", LogProbe())
    assert vars(logging.Logger)["handle"] is before
