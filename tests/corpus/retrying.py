"""Jobs that are retried, by their queue or by themselves: broken ones that must be found, and sound but tricky ones."""

from __future__ import annotations

import contextlib
import http.client
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import backoff
import tenacity

from jobchaos import RedFlag, RetryPolicy
from tests.corpus import site

LOG = logging.getLogger("shop")
LOGGED = RedFlag.log("ERROR", logger="shop")
PASSING = (OSError, http.client.HTTPException)


def give_up(error: BaseException) -> None:
    LOG.error("gave up: %s", error)


QUEUE = RetryPolicy.exponential(4, 10, jitter=(0, 5), on_give_up=give_up)


@dataclass(frozen=True)
class Retried:
    """A job with what is said about its retries; and, if it is broken, the code of what must be found, and where."""

    job: Callable[[], Any]
    policies: tuple[RetryPolicy, ...] = ()
    flag: RedFlag | None = None
    findings: dict[str, str] = field(default_factory=dict)


# --- broken ----------------------------------------------------------------------------------------------------------


def charges_until_it_works() -> None:
    while True:
        try:
            site.post("/charges", key="order-7")
        except PASSING:
            time.sleep(5)
        else:
            break


def alerts_whenever_it_fails() -> None:
    try:
        site.post("/charges", key="order-7")
    except PASSING:
        LOG.exception("charging has failed")
        raise


def is_given_up_in_silence() -> None:
    site.post("/charges", key="order-7")


def leaves_its_order_in_doubt() -> None:
    with site.connect() as db:
        db.execute("UPDATE orders SET status = 'paying' WHERE id = 7")
        site.post("/charges", key="order-7")
        db.execute("UPDATE orders SET status = 'paid' WHERE id = 7")


def retries_what_is_forbidden() -> None:
    for delay in (1, 2, 4):
        try:
            site.post("/charges", key="order-7")
        except Exception:  # noqa: BLE001 - that is what is wrong with it
            time.sleep(delay)
        else:
            return
    site.post("/charges", key="order-7")


@tenacity.retry(stop=tenacity.stop_after_attempt(5), wait=tenacity.wait_random_exponential(), reraise=True)
def is_retried_at_two_levels() -> None:
    site.post("/charges", key="order-7")


def gives_up_and_reports_success() -> None:
    for _ in range(3):
        with contextlib.suppress(*PASSING):
            site.post("/charges", key="order-7")
            break
        time.sleep(1)


def looks_at_the_wrong_result() -> None:
    done: set[int] = set()
    for number in range(3):
        with contextlib.suppress(*PASSING):
            site.post("/charges", key="order-7")
            done.add(number)
        if 0 in done:
            break


def sleeps_on_top_of_its_decorator() -> None:
    try:
        _charge_with_backoff()
    except PASSING:
        time.sleep(30)
        _charge_with_backoff()


@backoff.on_exception(backoff.constant, PASSING, interval=2, jitter=None, max_tries=2)
def _charge_with_backoff() -> None:
    site.post("/charges", key="order-7")


BROKEN = [
    Retried(charges_until_it_works, findings={"JC506": "A0!down"}),
    Retried(alerts_whenever_it_fails, (QUEUE,), LOGGED, {"JC513": "A0!down"}),
    Retried(is_given_up_in_silence, (RetryPolicy.sidekiq(),), LOGGED, {"JC512": "A0!down"}),
    Retried(leaves_its_order_in_doubt, (QUEUE,), LOGGED, {"JC514": "A1!down"}),
    Retried(
        retries_what_is_forbidden,
        (RetryPolicy.exponential(2, 60, fatal=(PermissionError,), on_give_up=give_up),),
        LOGGED,
        {"JC508": "A0!fatal"},
    ),
    Retried(is_retried_at_two_levels, (RetryPolicy.exponential(6, 60, jitter="full"),), None, {"JC509": "A0!down17"}),
    Retried(gives_up_and_reports_success, findings={"JC505": "A0!down"}),
    Retried(looks_at_the_wrong_result, findings={"JC507": "A0!fail"}),
    Retried(sleeps_on_top_of_its_decorator, (RetryPolicy(delays=[2, 2, 2], level="job"),), None, {"JC511": "A0!down2"}),
]

# --- sound -----------------------------------------------------------------------------------------------------------


def has_a_total_budget() -> None:
    """Doubles its delays, and gives up when 60 seconds have passed since it began."""
    began, delay = time.monotonic(), 1
    while True:
        try:
            site.post("/charges", key="order-7")
        except PASSING:
            if time.monotonic() - began >= 60:
                raise
            time.sleep(delay)
            delay *= 2
        else:
            break


def _alert_once(state: tenacity.RetryCallState) -> None:
    LOG.error("gave up after %d tries", state.attempt_number)


@tenacity.retry(
    stop=tenacity.stop_after_attempt(4),
    wait=tenacity.wait_exponential_jitter(initial=1, jitter=1),
    before_sleep=tenacity.before_sleep_log(LOG, logging.WARNING),
    retry_error_callback=_alert_once,
)
def warns_often_and_alerts_once() -> None:
    site.post("/charges", key="order-7")


def writes_a_dead_letter_itself() -> None:
    with site.connect() as db:
        for delay in (1, 4, 9, 0):
            with contextlib.suppress(*PASSING, sqlite3.Error):
                site.post("/charges", key="order-7")
                db.execute("UPDATE orders SET status = 'paid' WHERE id = 7")
                return
            time.sleep(delay)
        db.execute("INSERT INTO payments (order_id, token) VALUES (7, 'dead')")


def retries_each_of_several_calls() -> None:
    for number in range(3):
        for delay in (1, 2, None):
            try:
                site.post(f"/lines/{number}", key=f"line-{number}")
            except PASSING:
                if delay is None:
                    raise
                time.sleep(delay)
            else:
                break


def marks_what_it_gives_up() -> None:
    with site.connect() as db:
        db.execute("UPDATE orders SET status = 'paying' WHERE id = 7")
        site.post("/charges", key="order-7")
        db.execute("UPDATE orders SET status = 'paid' WHERE id = 7")


def mark_as_failed(error: BaseException) -> None:
    with contextlib.suppress(sqlite3.Error), site.connect() as db:
        db.execute("UPDATE orders SET status = 'failed' WHERE id = 7")
    LOG.error("order 7 is not paid: %s", error)


@backoff.on_exception(backoff.expo, PASSING, max_time=120, logger=None)
def ends_after_a_time_but_no_number() -> None:
    site.post("/charges", key="order-7")


def is_retried_for_weeks() -> None:
    with site.connect() as db:
        site.post("/charges", key="order-7")
        db.execute("UPDATE orders SET status = 'paid' WHERE id = 7 AND status = 'new'")


def looks_at_the_right_result() -> None:
    done: set[int] = set()
    for number in range(3):
        with contextlib.suppress(*PASSING):
            site.post("/charges", key="order-7")
            done.add(number)
        if done:
            return
    raise ConnectionError("order 7 is not paid")


def retries_nothing_that_is_forbidden() -> None:
    for delay in (1, 2, 4):
        try:
            site.post("/charges", key="order-7")
        except PermissionError:
            raise
        except PASSING:
            time.sleep(delay)
        else:
            return
    site.post("/charges", key="order-7")


@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_random_exponential(), reraise=True)
def is_retried_a_few_times_at_two_levels() -> None:
    site.post("/charges", key="order-7")


@tenacity.retry(stop=tenacity.stop_after_attempt(5), wait=tenacity.wait_random_exponential(), reraise=True)
def is_retried_at_one_level() -> None:
    site.post("/charges", key="order-7")


def sleeps_as_it_says() -> None:
    for delay in (2, 30, 2, None):
        try:
            site.post("/charges", key="order-7")
        except PASSING:
            if delay is None:
                raise
            time.sleep(delay)
        else:
            return


SOUND = [
    Retried(looks_at_the_right_result),
    Retried(
        retries_nothing_that_is_forbidden,
        (RetryPolicy.exponential(2, 60, fatal=(PermissionError,), on_give_up=give_up),),
        RedFlag.log("ERROR", logger="shop", leaves=["http"]),
    ),
    Retried(is_retried_a_few_times_at_two_levels, (RetryPolicy.exponential(5, 60, jitter="full"),)),
    Retried(is_retried_at_one_level),
    Retried(sleeps_as_it_says, (RetryPolicy(delays=[2, 30, 2], level="job"),)),
    Retried(
        has_a_total_budget,
        (RetryPolicy.exponential(100, 1, level="job", give_up_after=60),),
    ),
    Retried(warns_often_and_alerts_once, (), LOGGED),
    Retried(writes_a_dead_letter_itself, (), RedFlag.row("payments", leaves=["http"])),
    Retried(retries_each_of_several_calls),
    Retried(
        marks_what_it_gives_up,
        (RetryPolicy.exponential(4, 10, jitter="equal", on_give_up=mark_as_failed),),
        RedFlag.log("ERROR", logger="shop", leaves=["orders.status", "http"]),
    ),
    Retried(ends_after_a_time_but_no_number),
    Retried(
        is_retried_for_weeks,
        (RetryPolicy.sidekiq(on_give_up=give_up),),
        RedFlag.log("ERROR", logger="shop", leaves=["http"]),
    ),
]

# --- what is advised only --------------------------------------------------------------------------------------------

ADVISED = [
    (Retried(is_given_up_in_silence, (RetryPolicy(executions=6, delays=60),)), {"JC720", "JC721"}),
    (Retried(is_given_up_in_silence, (RetryPolicy.exponential(6, 60, jitter="full"),)), set[str]()),
]
