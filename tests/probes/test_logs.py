"""A killed worker logs nothing more; whoever lives does."""

from __future__ import annotations

import contextlib
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
    assert 1 <= heard <= 4 < run
    check(job, schedule="A A", settings=settings)
    assert len(caplog.records) > 2 * heard


@pytest.mark.parametrize(("mode", "code"), [("a", "JC103"), ("w", "")])
def test_what_the_job_logs_to_a_file_of_its_own_is_written_in_every_schedule(
    tmp_path: Path, mode: str, code: str
) -> None:
    def job() -> None:
        logger = logging.Logger("reports")
        with contextlib.closing(logging.FileHandler(tmp_path / "report", mode)) as handler:
            logger.addHandler(handler)
            logger.error("order 7")

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick", isolation="thread"))
    assert [(finding.code, str(finding.schedule)) for finding in verdict.findings] == ([(code, "A A")] if code else [])


def test_logging_is_as_it_was_afterwards(watch: Watch) -> None:
    before = vars(logging.Logger)["handle"], vars(logging.Handler)["handle"]
    watch(lambda: None, "A", LogProbe(lambda: False))
    assert (vars(logging.Logger)["handle"], vars(logging.Handler)["handle"]) == before
