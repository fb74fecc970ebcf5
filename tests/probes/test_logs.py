"""A killed worker logs nothing more; whoever lives does."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.probes.logs import LogProbe
from tests.probes.conftest import Watch

LOG = logging.getLogger("shop")


def test_a_dead_worker_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def job() -> None:
        LOG.warning("begins")
        try:
            (tmp_path / "report").write_text("done")
        except BaseException:
            LOG.exception("a library logs whatever ends it")
            raise
        LOG.warning("ends")

    check(job, schedule="A0!kill A", settings=Settings(profile="quick", isolation="thread"))
    assert {record.getMessage() for record in caplog.records} == {"begins", "ends"}


def test_only_clean_runs_and_a_schedule_that_is_replayed_are_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def job() -> None:
        LOG.warning("begins")
        (tmp_path / "report").write_text("done")

    settings = Settings(profile="quick", isolation="thread")
    run = check(job, settings=settings).schedules_run
    heard = len(caplog.records)
    assert 1 <= heard <= 3 < run
    check(job, schedule="A A", settings=settings)
    assert len(caplog.records) > 2 * heard


def test_logging_is_as_it_was_afterwards(watch: Watch) -> None:
    before = vars(logging.Logger)["handle"]
    watch(lambda: None, "A", LogProbe(lambda: False))
    assert vars(logging.Logger)["handle"] is before
