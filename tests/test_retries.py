"""Retries by policies, and what a job leaves that is given up. Times are virtual, and so exact."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import logging
import math
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backoff
import pytest
import stamina
import tenacity

from jobchaos import Job, RedFlag, RetryPolicy, Settings, UsageError, Verdict, check
from jobchaos.core.finding import Finding
from jobchaos.core.trace import Happening
from tests.database import Sql

S = 10**9
QUICK = Settings(profile="quick")
IMMEDIATE = RetryPolicy(executions=3)
GROWING = RetryPolicy.exponential(4, 10, jitter=(0, 5))


@pytest.fixture
def save(sql: Sql) -> Callable[[], object]:
    """A sound job: one statement, as often as one likes."""
    sql("CREATE TABLE dead_letters (job TEXT)")
    return lambda: sql("UPDATE users SET points = 5")


def checked(job: Callable[[], object], *policies: RetryPolicy, flag: RedFlag | None = None) -> Verdict:
    declared = Job(job).with_policy(*policies)
    return check(declared.with_red_flag(flag) if flag else declared, faults=["retry"], settings=QUICK)


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


def only(verdict: Verdict) -> Finding:
    (finding,) = [finding for finding in verdict.findings if finding.gates]
    return finding


def advice(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings if not finding.gates]


def moments(finding: Finding, happening: Happening = Happening.DELIVERED) -> list[float]:
    """When something happened, in seconds after the first time."""
    assert finding.trace is not None
    times = [event.at for event in finding.trace.events if event.happening is happening]
    return [(moment - times[0]) / S for moment in times]


# --- by the queue ----------------------------------------------------------------------------------------------------


def test_a_sound_job_holds_under_its_policy(save: Callable[[], object]) -> None:
    verdict = checked(save, GROWING)
    assert (found(verdict), advice(verdict)) == ({}, [])
    (family,) = verdict.families
    assert family.run == family.planned == 6  # !fail, !lost, !down, !down3, !down+, !down3+
    assert "for good" in verdict.claim


def test_attempts_come_when_the_policy_says(save: Callable[[], object]) -> None:
    finding = only(checked(save, GROWING, flag=RedFlag.row("dead_letters")))
    assert (finding.code, str(finding.schedule)) == ("JC512", "A0!down")
    assert moments(finding) == [0, 10, 30, 70]


def test_attempts_may_come_as_late_as_jitter_allows(sql: Sql) -> None:
    began: list[int] = []
    remember = began.append  # a list that the job can reach would be part of its state, and restored

    def job() -> None:
        remember(time.time_ns())
        sql("UPDATE users SET points = 5")

    verdict = check(Job(job).with_policy(GROWING), faults=["retry"], schedule="A0!down3+", settings=QUICK)
    assert verdict.status == "holds"
    assert [moment - began[-4] for moment in began[-4:]] == [0, 15 * S, 40 * S, 85 * S]


def test_words_of_a_date_are_others_after_weeks(sql: Sql) -> None:
    sql("CREATE TABLE runs (id INTEGER PRIMARY KEY, note TEXT)", "INSERT INTO runs VALUES (1, NULL)")

    def job() -> None:
        sql(f"UPDATE runs SET note = 'done, {time.ctime()}, {email.utils.formatdate()}' WHERE id = 1")

    assert found(checked(job, RetryPolicy(executions=4, delays=40 * 86400))) == {}


def test_sidekiqs_21_days_take_no_time(save: Callable[[], object]) -> None:
    finding = only(checked(save, RetryPolicy.sidekiq(), flag=RedFlag.row("dead_letters")))
    assert moments(finding) == [moment / S for moment in RetryPolicy.sidekiq().moments()]
    assert moments(finding)[-1] == 1_763_395
    assert len(moments(finding)) == 26


def test_a_dead_letter_is_written_once(sql: Sql, save: Callable[[], object]) -> None:
    def bury(error: BaseException) -> None:
        sql(f"INSERT INTO dead_letters VALUES ('{error}')")

    policy = RetryPolicy.exponential(4, 10, jitter="full", on_give_up=bury)
    assert found(checked(save, policy, flag=RedFlag.row("dead_letters"))) == {}


def test_a_hook_is_a_red_flag_itself(save: Callable[[], object]) -> None:
    def page(error: BaseException) -> None: ...

    policy = RetryPolicy.exponential(4, 10, jitter="full", on_give_up=page)
    assert found(checked(save, policy, flag=RedFlag.call(page))) == {}


def test_a_flag_for_each_failed_attempt_is_too_many(sql: Sql, save: Callable[[], object]) -> None:
    def job() -> None:
        try:
            save()
        except sqlite3.Error:
            logging.getLogger("shop").error("again")
            raise

    finding = only(checked(job, GROWING, flag=RedFlag.log("ERROR", logger="shop")))
    assert (finding.code, str(finding.schedule)) == ("JC513", "A0!down")
    assert "4 times" in finding.message


def test_other_log_records_are_no_red_flag(save: Callable[[], object]) -> None:
    def job() -> None:
        try:
            save()
        except sqlite3.Error:
            logging.getLogger("shop").warning("again")
            logging.getLogger("shopping").error("another logger")
            raise

    def give_up(error: BaseException) -> None:
        logging.getLogger("shop.jobs").critical("gave up")

    policy = RetryPolicy.exponential(3, 1, jitter="full", on_give_up=give_up)
    assert found(checked(job, policy, flag=RedFlag.log("ERROR", logger="shop"))) == {}


def test_a_job_that_is_given_up_half_way_leaves_a_mess(sql: Sql, save: Callable[[], object]) -> None:
    def job() -> None:
        sql("INSERT OR IGNORE INTO users VALUES (2, 0)")
        save()

    finding = only(checked(job, GROWING))
    assert (finding.code, str(finding.schedule)) == ("JC514", "A1!down")
    assert "leaves users changed" in finding.message
    assert finding.against == "the state before it"


@pytest.mark.parametrize(("leaves", "codes"), [(["orders.status"], {}), ([], {"JC514": "A0!down"})])
def test_what_may_be_left_can_be_declared(sql: Sql, leaves: list[str], codes: dict[str, str]) -> None:
    sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)", "INSERT INTO orders VALUES (7, 'new')")

    def job() -> None:
        sql("UPDATE orders SET status = 'trying' WHERE id = 7")
        sql("UPDATE users SET points = 5")

    def mark(error: BaseException) -> None:
        sql("UPDATE orders SET status = 'failed' WHERE id = 7")
        logging.getLogger("shop").error("gave up")

    policy = RetryPolicy.exponential(3, 1, jitter="full", on_give_up=mark)
    assert found(checked(job, policy, flag=RedFlag.log(leaves=leaves))) == codes


def test_without_a_policy_nobody_says_what_may_be_left(sql: Sql) -> None:
    def job() -> None:
        sql("INSERT OR IGNORE INTO users VALUES (2, 0)")
        sql("UPDATE users SET points = 5")

    verdict = checked(job)
    assert (found(verdict), verdict.families[0].planned) == ({}, 4)


def test_an_error_that_no_policy_retries_is_given_up_at_once(save: Callable[[], object]) -> None:
    policy = RetryPolicy.exponential(5, 1, jitter="full", retryable=(ConnectionError,))
    finding = only(checked(save, policy, flag=RedFlag.row("dead_letters")))
    assert (finding.code, str(finding.schedule), moments(finding)) == ("JC512", "A0!fail", [0])


def test_a_policy_without_end_never_stops(save: Callable[[], object]) -> None:
    policy = RetryPolicy(executions=math.inf, delays=60, jitter="full")
    assert found(checked(save, policy)) == {"JC506": "A0!down"}


# --- by the job itself -----------------------------------------------------------------------------------------------


def loop(save: Callable[[], object], *delays: float, on: Any = sqlite3.Error) -> Callable[[], None]:
    """Tries once more after each delay."""

    def job() -> None:
        for delay in delays:
            try:
                save()
            except on:
                time.sleep(delay)
            else:
                return
        save()

    return job


def test_a_loop_of_its_own_is_held_against_the_jobs_policy(save: Callable[[], object]) -> None:
    assert found(checked(loop(save, 1, 2, 4), RetryPolicy(delays=[1, 2, 4], level="job"))) == {}
    assert found(checked(loop(save, 1, 2, 4), RetryPolicy(delays=[1, (1, 3), 4], level="job"))) == {}


def test_a_try_at_another_time_is_found(save: Callable[[], object]) -> None:
    finding = only(checked(loop(save, 1, 2, 4), RetryPolicy(delays=[1, 3, 4], level="job")))
    assert (finding.code, str(finding.schedule)) == ("JC511", "A0!down2")
    assert "tries again after 2 s, where its policy says 3 s, after try 2" in finding.message


@pytest.mark.parametrize(
    ("delays", "text"),
    [([1, 2], "tries it 4 times in one delivery, where its policy has 3"), ([1, 2, 4, 8], "gives up")],
)
def test_another_number_of_tries_is_found(save: Callable[[], object], delays: list[float], text: str) -> None:
    finding = only(checked(loop(save, 1, 2, 4), RetryPolicy(delays=delays, level="job")))
    assert finding.code == "JC510"
    assert text in finding.message


def test_a_policy_that_the_job_does_not_have_is_found(save: Callable[[], object]) -> None:
    finding = only(checked(save, RetryPolicy(delays=[1, 2], level="job")))
    assert finding.code == "JC510"
    assert "tries no call again, where its own policy has 3 tries" in finding.message


def test_a_loop_without_end_never_stops(save: Callable[[], object]) -> None:
    def job() -> None:
        while True:
            with contextlib.suppress(sqlite3.Error):
                save()
                return
            time.sleep(60)

    finding = only(checked(job))
    assert (finding.code, str(finding.schedule)) == ("JC506", "A0!down")
    assert finding.message.endswith("never stops retrying when UPDATE users fails for good")


def test_a_loop_that_polls_a_question_without_end_never_stops(sql: Sql) -> None:
    def job() -> None:
        while True:
            with contextlib.suppress(sqlite3.Error):
                if sql("SELECT points FROM users"):
                    break
            time.sleep(1)
        sql("UPDATE users SET points = 5")

    assert found(checked(job)) == {"JC506": "A0!down"}


def test_a_loop_that_gives_up_in_silence_swallows(save: Callable[[], object]) -> None:
    def job() -> None:
        for _ in range(3):
            with contextlib.suppress(sqlite3.Error):
                save()
                return

    assert found(checked(job)) == {"JC505": "A0!down"}


def test_a_loop_that_goes_on_after_success_is_found(save: Callable[[], object]) -> None:
    def job() -> None:
        failed = False
        for _ in range(3):
            try:
                save()
            except sqlite3.Error:
                failed = True
            if not failed:
                return

    finding = only(checked(job))
    assert (finding.code, str(finding.schedule)) == ("JC507", "A0!fail")
    assert "makes a call 2 times after it has failed, where one clean run makes it 1 times" in finding.message


def test_a_fatal_error_that_is_retried_is_found(save: Callable[[], object]) -> None:
    policy = RetryPolicy(delays=[(1, 2), (2, 4)], retryable=(sqlite3.Error,), fatal=(PermissionError,))
    assert found(checked(loop(save, 1, 2), policy)) == {}
    finding = only(checked(loop(save, 1, 2, on=Exception), policy))
    assert (finding.code, str(finding.schedule)) == ("JC508", "A0!fatal")


def test_retries_at_two_levels_multiply(save: Callable[[], object]) -> None:
    queue = RetryPolicy.exponential(5, 60, jitter="full")
    finding = only(checked(loop(save, 1, 2, 4), queue))
    assert finding.code == "JC509"
    assert "5 deliveries with 4 tries each" in finding.message
    assert found(checked(loop(save, 1, 2), queue)) == {}  # 15 in all


@pytest.mark.parametrize(("logger", "codes"), [("shop", {}), ("other", {"JC505": "A0!down"})])
def test_a_job_that_gives_up_by_itself_raises_its_flag(
    save: Callable[[], object], logger: str, codes: dict[str, str]
) -> None:
    def job() -> None:
        for delay in (1, 2, 4):
            with contextlib.suppress(sqlite3.Error):
                save()
                return
            time.sleep(delay)
        logging.getLogger("shop").error("gave up")

    assert found(checked(job, flag=RedFlag.log(logger=logger))) == codes


# --- by libraries ----------------------------------------------------------------------------------------------------

EXPONENTIAL = {"wait": tenacity.wait_exponential_jitter(1, jitter=1), "stop": tenacity.stop_after_attempt(4)}


def test_tenacity_sleeps_in_virtual_time(save: Callable[[], object]) -> None:
    verdict = checked(tenacity.retry(reraise=True, **EXPONENTIAL)(save))  # type: ignore[call-overload]
    assert (found(verdict), advice(verdict)) == ({}, [])


@pytest.mark.parametrize(("late", "times"), [("", [0, 1, 3, 7]), ("+", [0, 2, 5, 10])])
def test_tenacitys_jitter_is_tried_at_both_ends(sql: Sql, late: str, times: list[float]) -> None:
    began: list[int] = []
    remember = began.append

    @tenacity.retry(reraise=True, **EXPONENTIAL)  # type: ignore[call-overload,untyped-decorator]
    def job() -> None:
        remember(time.time_ns())
        sql("UPDATE users SET points = 5")

    check(Job(job), faults=["retry"], schedule=f"A0!down3{late}", settings=QUICK)
    assert [moment - began[-4] for moment in began[-4:]] == [seconds * S for seconds in times]


def test_three_days_of_sleep_take_no_time(save: Callable[[], object]) -> None:
    job = tenacity.retry(wait=tenacity.wait_fixed(86400), stop=tenacity.stop_after_attempt(4), reraise=True)(save)
    verdict = checked(job)
    assert (found(verdict), advice(verdict)) == ({}, ["JC720", "JC721"])


class AsTheErrorSays:
    """A delay of a class of the user's, as one that reads `Retry-After`."""

    def __call__(self, state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        return 30 if isinstance(state.outcome.exception(), sqlite3.Error) else 1


def _half_a_minute(error: BaseException) -> float:
    return 30 if isinstance(error, sqlite3.Error) else 1


@pytest.mark.parametrize(
    "decorate",
    [
        tenacity.retry(wait=tenacity.wait_exception(_half_a_minute), stop=tenacity.stop_after_attempt(3)),
        tenacity.retry(wait=AsTheErrorSays(), stop=tenacity.stop_after_attempt(3)),
        tenacity.retry(
            wait=tenacity.wait_random(0, 2) + tenacity.wait_exception(_half_a_minute),
            stop=tenacity.stop_after_attempt(3),
        ),
        stamina.retry(on=_half_a_minute, attempts=3),
        stamina.retry(on=lambda error: datetime.timedelta(seconds=_half_a_minute(error)), attempts=3),
    ],
)
def test_a_delay_may_depend_on_the_error(save: Callable[[], object], decorate: Any) -> None:
    """What it is for the errors that are injected, no policy can say."""
    assert found(checked(decorate(save))) == {}


def test_stamina_and_backoff_sleep_in_virtual_time(save: Callable[[], object]) -> None:
    assert found(checked(stamina.retry(on=sqlite3.Error, attempts=4, timeout=None)(save))) == {}
    assert found(checked(backoff.on_exception(backoff.expo, sqlite3.Error, max_time=100)(save))) == {}


def test_a_policy_given_by_hand_replaces_the_decorators(save: Callable[[], object]) -> None:
    job = tenacity.retry(reraise=True, **EXPONENTIAL)(save)  # type: ignore[call-overload]
    assert found(checked(job, RetryPolicy(delays=[5, 5, 5], level="job"))) == {"JC511": "A0!fail"}


def test_tenacitys_error_without_reraise_is_an_error(save: Callable[[], object]) -> None:
    job = tenacity.retry(**EXPONENTIAL)(save)  # type: ignore[call-overload]
    assert found(checked(job)) == {}


def test_a_decorator_that_cannot_be_read_is_refused(save: Callable[[], object]) -> None:
    job = tenacity.retry(stop=lambda state: state.attempt_number > 3)(save)
    with pytest.raises(UsageError, match=r"stop=<lambda>. Give the policy yourself"):
        checked(job)
    assert found(checked(job, RetryPolicy(delays=[0, 0, 0], level="job"))) == {}


# --- advice ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (RetryPolicy(executions=4, delays=30), ["JC720", "JC721"]),
        (RetryPolicy(executions=4, delays=30, jitter=(0, 30)), ["JC720"]),
        (RetryPolicy.exponential(4, 30), ["JC721"]),
        (RetryPolicy.exponential(4, 30, jitter="equal"), []),
        (RetryPolicy(executions=2, delays=30, jitter=(0, 30)), []),  # one delay cannot grow
        (RetryPolicy(executions=1), []),
    ],
)
def test_delays_should_grow_and_differ(save: Callable[[], object], policy: RetryPolicy, codes: list[str]) -> None:
    verdict = checked(save, policy)
    assert (found(verdict), advice(verdict)) == ({}, codes)


# --- red flags -------------------------------------------------------------------------------------------------------


def alert(text: str) -> None: ...


class Pager:
    @staticmethod
    def page(text: str) -> None: ...


def flagging(raise_it: Callable[[], object]) -> RetryPolicy:
    return RetryPolicy.exponential(3, 1, jitter="full", on_give_up=lambda error: raise_it())


def test_a_call_of_a_function_is_counted_wherever_it_is_known(save: Callable[[], object]) -> None:
    def local() -> None: ...

    assert found(checked(save, flagging(lambda: alert("x")), flag=RedFlag.call(alert))) == {}
    assert found(checked(save, flagging(lambda: Pager.page("x")), flag=RedFlag.call(f"{__name__}.Pager.page"))) == {}
    assert found(checked(save, flagging(lambda: None), flag=RedFlag.call(alert))) == {"JC512": "A0!down"}

    def job() -> None:
        try:
            save()
        except sqlite3.Error:
            local()
            raise

    assert found(checked(job, RetryPolicy(executions=1), flag=RedFlag.call(local))) == {}
    assert found(checked(job, RetryPolicy.exponential(2, 1), flag=RedFlag.call(local))) == {"JC513": "A0!down"}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: RedFlag.log("LOUD"), "there is no log level 'LOUD'"),
        (lambda: RedFlag.call("page"), "'page' names no function"),
        (
            lambda: RedFlag.call(3),  # type: ignore[arg-type]
            "a red flag is a function, or the name of one, got 3",
        ),
        (lambda: RedFlag.mail(), "any mail could be the red flag"),
        (lambda: RedFlag.row("dead", leaves="orders"), r'leaves must be a list of tables or columns: \["orders"\]'),
    ],
)
def test_a_red_flag_that_makes_no_sense_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        make()


@pytest.mark.parametrize("where", ["no_such_module.page", f"{__name__}.no_such_function", f"{__name__}.Nobody.page"])
def test_a_function_that_is_not_there_is_refused(save: Callable[[], object], where: str) -> None:
    with pytest.raises(UsageError, match=f"the red flag is a call of {where}, but"):
        checked(save, IMMEDIATE, flag=RedFlag.call(where))


def test_nothing_stays_replaced(save: Callable[[], object], tmp_path: Path) -> None:
    before = logging.Logger.handle, alert, Pager.page, vars(tenacity.wait)["random"]
    checked(save, IMMEDIATE, flag=RedFlag.call(alert))
    checked(save, IMMEDIATE, flag=RedFlag.log())
    assert before == (logging.Logger.handle, alert, Pager.page, vars(tenacity.wait)["random"])
