"""Under `transactional_db`: every worker has connections of its own."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import checked, found
from django.core import mail
from django.db import connections
from expected import IN_SEQUENCE, OVERLAPPING
from shop import jobs

from jobchaos.probes.sqlite_connection import ProbedConnection

pytestmark = pytest.mark.django_db(databases=["default", "archive"], transaction=True)


@pytest.mark.parametrize("job", OVERLAPPING, ids=lambda job: job.__name__)
def check_overlaps(job: Callable[[int], None]) -> None:
    assert found(checked(job, "concurrent")) == OVERLAPPING[job]


@pytest.mark.parametrize("job", [jobs.mails_on_commit, jobs.replaces_payments, jobs.marks_on_commit])
def check_that_crashes_are_those_of_the_test_transaction(job: Callable[[int], None]) -> None:
    crashes = {code: token for code, token in IN_SEQUENCE[job].items() if code.startswith("JC3")}
    assert found(checked(job, "crash")).keys() == crashes.keys()


def check_that_connections_are_closed_and_the_state_is_that_of_one_run() -> None:
    checked(jobs.mails, "concurrent")
    assert len(mail.outbox) == 1
    assert all(connection.alias in ("default", "archive") for connection in connections.all())
    for connection in (item for item in gc.get_objects() if issubclass(type(item), ProbedConnection)):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            sqlite3.Connection.execute(connection, "SELECT 1")


def check_that_columns_are_named_without_their_table() -> None:
    verdict = checked(jobs.marks_paid_then_adds_a_payment, "crash")
    trace = verdict.findings[0].trace
    assert trace is not None
    labels = [effect.label for effect in trace.effects()]
    assert labels[0].startswith("SELECT id, email, status, paid FROM shop_order WHERE id = ")


def check_that_models_are_named_beside_their_tables() -> None:
    (finding,) = [finding for finding in checked(jobs.adds_a_payment, "duplicate").findings if finding.gates]
    assert "leaves one row too many in shop_payment (shop.Payment)" in finding.message
    assert finding.diff is not None
    assert [change.model for change in finding.diff.changes] == ["shop.Payment"]


@pytest.mark.parametrize("backend", ["console", "dummy", "filebased", "smtp"])
def check_that_every_backend_mails(backend: str, settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    with _mail_server() as port:
        settings.EMAIL_PORT = port
        verdict = checked(jobs.mails, "duplicate")
        assert found(verdict) == {"JC101": "A A"}
        if backend != "filebased":  # there, a repetition is one more file
            assert checked(jobs.mails_with_an_identity, "duplicate").status == "holds"


@contextlib.contextmanager
def _mail_server() -> Any:
    from tests.probes.servers import mail_server

    with mail_server() as mailbox:
        yield mailbox.port


def check_real_kills(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("in_a_file"):
        pytest.skip("needs databases in files")
    (finding,) = checked(jobs.adds_a_payment, "crash").findings
    assert finding.confirmed == "with a real SIGKILL"
    (finding,) = checked(jobs.mails_on_commit, "crash").findings
    assert finding.confirmed == "with a real SIGKILL"
