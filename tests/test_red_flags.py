"""Each kind of red flag, end to end: raised once it is right, missing or raised twice it is found."""

from __future__ import annotations

import logging
import smtplib
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from jobchaos import Job, RedFlag, RetryPolicy, Settings, Verdict, check
from tests.database import Sql
from tests.probes.servers import Mailbox, WebServer, mail_server, web_server

QUICK = Settings(profile="quick")
Alarm = Callable[[], object]


@pytest.fixture(scope="module")
def mail() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def page() -> None:
    """Wakes somebody up."""


@pytest.fixture(params=["mail", "mail by its subject", "request", "log", "call", "call by its name", "dead letter"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def flag(kind: str) -> RedFlag:
    return {
        "mail": RedFlag.mail("ops@example.com"),
        "mail by its subject": RedFlag.mail(subject="gave up"),
        "request": RedFlag.request("/hooks/ops"),
        "log": RedFlag.log("ERROR", logger="shop"),
        "call": RedFlag.call(page),
        "call by its name": RedFlag.call(f"{__name__}.page"),
        "dead letter": RedFlag.row("dead_letters"),
    }[kind]


@pytest.fixture
def alarms(sql: Sql, mail: Mailbox, web: WebServer) -> dict[str, tuple[Alarm, Alarm]]:
    """For each kind how it is raised, and something alike that is none."""
    sql("CREATE TABLE dead_letters (job TEXT)")

    def sent(to: str, subject: str) -> None:
        with smtplib.SMTP("127.0.0.1", mail.port, timeout=10) as server:
            server.sendmail("shop@example.com", [to], f"To: {to}\r\nSubject: {subject}\r\n\r\n")

    def posted(path: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{web.server_port}{path}", b"{}", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    log = logging.getLogger
    by_mail = (lambda: sent("ops@example.com", "save gave up"), lambda: sent("ann@example.com", "Welcome"))
    return {
        "mail": by_mail,
        "mail by its subject": by_mail,
        "request": (lambda: posted("/hooks/ops"), lambda: posted("/charges")),
        "log": (lambda: log("shop.jobs").error("gave up"), lambda: log("shop.jobs").warning("once more")),
        "call": (lambda: page(), lambda: None),
        "call by its name": (lambda: page(), lambda: None),
        "dead letter": (lambda: sql("INSERT INTO dead_letters VALUES ('save')"), lambda: sql("SELECT 1 FROM users")),
    }


@pytest.fixture
def save(sql: Sql) -> Callable[[], object]:
    return lambda: sql("UPDATE users SET points = 5")


def given_up(save: Callable[[], object], flag: RedFlag, *alarms: Alarm) -> Verdict:
    """Check a job whose queue does this when it gives up."""

    def hook(_error: BaseException) -> None:
        for alarm in alarms:
            alarm()

    policy = RetryPolicy.exponential(3, 10, jitter="full", on_give_up=hook)
    return check(Job(save).with_policy(policy).with_red_flag(flag), faults=["retry"], settings=QUICK)


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


def test_raised_once_by_the_queues_hook_it_is_right(
    save: Callable[[], object], alarms: dict[str, tuple[Alarm, Alarm]], kind: str, flag: RedFlag
) -> None:
    verdict = given_up(save, flag, alarms[kind][0])
    assert verdict.status == "holds", verdict.findings


@pytest.mark.usefixtures("alarms")
def test_missing_it_is_found(save: Callable[[], object], flag: RedFlag) -> None:
    verdict = given_up(save, flag)
    assert found(verdict) == {"JC512": "A0!down"}
    assert f"is given up without its red flag ({flag})" in verdict.findings[0].message


def test_one_that_goes_to_somebody_else_is_missing(
    save: Callable[[], object], alarms: dict[str, tuple[Alarm, Alarm]], kind: str, flag: RedFlag
) -> None:
    assert found(given_up(save, flag, alarms[kind][1])) == {"JC512": "A0!down"}


def test_raised_twice_it_is_found(
    save: Callable[[], object], alarms: dict[str, tuple[Alarm, Alarm]], kind: str, flag: RedFlag
) -> None:
    verdict = given_up(save, flag, alarms[kind][0], alarms[kind][0])
    assert found(verdict) == {"JC513": "A0!down"}
    assert f"raises its red flag ({flag}) 2 times, not once," in verdict.findings[0].message


def test_raised_by_each_attempt_it_is_found(
    save: Callable[[], object], alarms: dict[str, tuple[Alarm, Alarm]], kind: str, flag: RedFlag
) -> None:
    def alarmed() -> None:
        try:
            save()
        except sqlite3.Error:
            alarms[kind][0]()
            raise

    policy = RetryPolicy.exponential(3, 10, jitter="full")
    verdict = check(Job(alarmed).with_policy(policy).with_red_flag(flag), faults=["retry"], settings=QUICK)
    assert found(verdict)["JC513"].startswith("A0!down"), verdict.findings
    assert any("3 times" in finding.message for finding in verdict.findings)


def test_raised_by_the_job_itself_it_is_right(
    save: Callable[[], object], alarms: dict[str, tuple[Alarm, Alarm]], kind: str, flag: RedFlag
) -> None:
    """One that is retried by nobody else: it gives up, says so, and returns."""

    def tries_twice() -> None:
        for last in (False, True):
            try:
                save()
            except sqlite3.Error:
                if last:
                    alarms[kind][0]()
            else:
                return

    verdict = check(Job(tries_twice).with_red_flag(flag), faults=["retry"], settings=QUICK)
    assert found(verdict) == {}, verdict.findings
