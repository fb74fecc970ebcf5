"""Which code a run gets: by its family, and by what is wrong with the state it left."""

from __future__ import annotations

import dataclasses

import pytest

from jobchaos.core.finding import CODES
from jobchaos.core.snapshot import State
from jobchaos.oracle.judge import first_change
from tests.oracle.builders import AGAIN, DONE, LEDGERS, gave_up, judge, run, world

ONCE = world((1, 10), mails=("ann@example.com",))
TWICE = world((1, 10), mails=("ann@example.com", "ann@example.com"))
NEVER = world((1, 10))
STATE = world((1, 20), mails=("ann@example.com",))
ROW = world((1, 10), (2, 10), mails=("ann@example.com",))
LOST_AND_CHANGED = world((1, 20))
TWICE_AND_CHANGED = world((1, 20), mails=("ann@example.com", "ann@example.com"))
OTHER = world((1, 10), mails=("bob@example.com",))

FAMILIES = {"duplicate": "JC1", "concurrent": "JC2", "crash": "JC3", "retry": "JC5"}


@pytest.mark.parametrize(("family", "prefix"), FAMILIES.items())
@pytest.mark.parametrize(
    ("state", "digit"),
    [
        (TWICE, "01"),
        (NEVER, "02"),
        (STATE, "03"),
        (ROW, "03"),
        (LOST_AND_CHANGED, "02"),
        (TWICE_AND_CHANGED, "01"),
        (OTHER, "01"),  # one too many is worse than one too few: it cannot be made good
    ],
)
def test_a_wrong_state_gets_the_code_of_its_family_and_kind(family: str, prefix: str, state: State, digit: str) -> None:
    judgement = judge(ONCE).judge(run("A A", state, copies={"A": AGAIN}), family)
    assert judgement.code == prefix + digit
    assert judgement.code in CODES


@pytest.mark.parametrize(("state", "code"), [(TWICE, "JC501"), (NEVER, "JC505"), (STATE, "JC505"), (ONCE, "")])
def test_an_attempt_that_reports_success_although_a_call_failed_has_swallowed_the_error(
    state: State, code: str
) -> None:
    assert judge(ONCE).judge(run("A1!fail", state), "retry").code == code


def test_the_single_runs_state_is_right() -> None:
    judgement = judge(ONCE).judge(run("A A", ONCE), "duplicate")
    assert (judgement.code, judgement.unfinished, judgement.advice) == ("", (), ())


@pytest.mark.parametrize(("family", "prefix"), FAMILIES.items())
def test_a_wrong_state_of_a_job_that_gave_up_is_no_completion(family: str, prefix: str) -> None:
    copies = {"A": gave_up("IntegrityError: locks.name")}
    judgement = judge(ONCE).judge(run("A A", STATE, copies=copies), family)
    assert judgement.code == f"{prefix}04"
    assert judgement.unfinished == ("A",)


def test_a_foreign_effect_too_many_is_worse_than_not_to_complete() -> None:
    copies = {"A": gave_up("IntegrityError")}
    assert judge(ONCE).judge(run("A A", TWICE, copies=copies), "crash").code == "JC301"


def test_the_error_of_a_first_delivery_is_no_advice() -> None:
    """The answer to its last call got lost, and there are no retries: nobody could treat that as success."""
    copies = {"A": dataclasses.replace(gave_up("ConnectionError"), attempts=1)}
    assert judge(ONCE).judge(run("A1!lost", ONCE, copies=copies), "retry").advice == ()


def test_an_error_although_the_work_is_done_is_advice() -> None:
    copies = {"A": DONE, "B": gave_up("IntegrityError: users.id")}
    judgement = judge(ONCE).judge(run("A B", ONCE, copies=copies), "concurrent")
    assert judgement.code == ""
    assert judgement.advice == (("JC701", "IntegrityError: users.id"),)
    assert judgement.unfinished == ()


@pytest.mark.parametrize("error", ["waits for ever for sql:/tmp/app.db", "takes more than 30 s to its next step"])
def test_a_copy_that_hangs_fails_although_the_work_is_done(error: str) -> None:
    copies = {"A": DONE, "B": gave_up(error)}
    judgement = judge(ONCE).judge(run("A B", ONCE, copies=copies), "concurrent")
    assert judgement.code == "JC204"
    assert judgement.unfinished == ("B",)


def test_a_store_that_the_clean_run_never_touched_stays_as_it_was() -> None:
    initial = {**world((1, 0)), "other.db": world((7, 7))["app.db"]}
    touched = {**ONCE, "other.db": world((7, 8))["app.db"]}
    assert judge(ONCE, initial).judge(run("A A", ONCE), "duplicate").code == ""
    assert judge(ONCE, initial).judge(run("A A", touched), "duplicate").code == "JC103"


def test_what_is_ignored_does_not_count() -> None:
    assert judge(ONCE, ignore=("users.points",)).judge(run("A A", STATE), "duplicate").code == ""


def test_what_others_have_seen_leads() -> None:
    comparison = judge(ONCE).compare(TWICE_AND_CHANGED, run("A", ONCE).fresh)
    change = first_change(comparison, LEDGERS)
    assert change is not None
    assert change.store == "mail"
    equal = judge(ONCE).compare(ONCE, run("A", ONCE).fresh)
    assert first_change(equal, LEDGERS) is None
