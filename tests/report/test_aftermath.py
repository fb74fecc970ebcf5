"""What a death undoes is named, and what it cannot undo as well."""

from __future__ import annotations

import pytest

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.report.aftermath import aftermath
from tests.report.builders import mail, request, sql

_BEGIN, _COMMIT, _ROLLBACK = sql("BEGIN"), sql("COMMIT"), sql("ROLLBACK")
_UPDATE, _INSERT, _SELECT = sql("UPDATE users SET sent = 1"), sql("INSERT INTO log VALUES (1)"), sql("SELECT 1")


@pytest.mark.parametrize(
    ("applied", "told"),
    [
        ((), ""),
        ((_BEGIN,), ""),
        ((_BEGIN, _SELECT), ""),
        ((_BEGIN, _SELECT, _UPDATE), "the update is rolled back"),
        ((_BEGIN, _UPDATE, _INSERT), "2 writes are rolled back"),
        ((_BEGIN, _UPDATE, _COMMIT), ""),
        ((_BEGIN, _UPDATE, _ROLLBACK), ""),
        ((_BEGIN, _UPDATE, _COMMIT, _BEGIN, _INSERT), "the insert is rolled back"),
        ((_BEGIN, _UPDATE, _ROLLBACK, _BEGIN, _INSERT), "the insert is rolled back"),
    ],
)
def test_only_the_writes_of_the_open_transaction_are_rolled_back(applied: tuple[Effect, ...], told: str) -> None:
    assert aftermath(applied) == told


@pytest.mark.parametrize(
    ("applied", "told"),
    [
        ((_BEGIN, mail(), _UPDATE), "the update is rolled back, the mail is not"),
        ((_BEGIN, _UPDATE, request()), "the update is rolled back, the request is not"),
        ((mail(), _BEGIN, _UPDATE, _INSERT, request()), "2 writes are rolled back, 2 foreign effects are not"),
        ((mail(), _BEGIN, _UPDATE, _COMMIT), ""),
        ((mail(),), ""),
    ],
)
def test_what_others_were_sent_stays(applied: tuple[Effect, ...], told: str) -> None:
    assert aftermath(applied) == told


def test_a_request_that_only_reads_leaves_nothing() -> None:
    assert aftermath((_BEGIN, request("GET /rates", Mode.READ), _UPDATE)) == "the update is rolled back"


def test_a_statement_outside_a_transaction_is_there_to_stay() -> None:
    autocommitted = Effect("sql", "UPDATE users SET sent = 1", _UPDATE.touches, durable=True)
    assert aftermath((autocommitted,)) == ""


def test_files_and_pauses_are_no_part_of_a_transaction() -> None:
    written = Effect("file", "write out.csv", (Touch("file:/tmp/out.csv", Mode.WRITE),), True)
    assert aftermath((written, Effect("sleep", "sleep 1 s"))) == ""
    assert aftermath((_BEGIN, _UPDATE, written)) == "the update is rolled back"
