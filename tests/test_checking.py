"""check(): plans, verdicts and findings of whole checks, and what it leaves behind."""

from __future__ import annotations

import datetime
import itertools
import os
import tempfile
from pathlib import Path

import pytest

from jobchaos import Job, MemoryStore, Settings, UsageError, Verdict, check
from jobchaos.core.events import CheckFinished, CheckStarted, Event, PlanReady, ScheduleRun
from jobchaos.report.text import render
from tests.database import Sql

QUICK = Settings(profile="quick")


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_the_world_is_left_as_one_clean_run_leaves_it(sql: Sql) -> None:
    assert check(lambda: sql("UPDATE users SET points = points + 5"), settings=QUICK).status == "fails"
    assert sql("SELECT points FROM users") == [(5,)]


def test_no_run_is_needed_for_that(sql: Sql) -> None:
    executed: list[None] = []
    remember = executed.append  # a list that the job can reach would be part of its state

    def job() -> None:
        remember(None)
        sql("UPDATE users SET points = 5")

    assert check(job, faults=["duplicate"], settings=QUICK).schedules_run == 1
    assert len(executed) == 4  # clean twice, and a duplicate


def test_memory_is_left_as_one_clean_run_leaves_it(sql: Sql) -> None:
    cache: dict[str, int] = {}

    def job() -> None:
        cache["runs"] = cache.get("runs", 0) + 1
        sql("UPDATE users SET points = points + 5")

    check(job, faults=["duplicate"], settings=QUICK)
    assert (cache, sql("SELECT points FROM users")) == ({"runs": 1}, [(5,)])


def test_after_an_error_the_world_is_as_it_was(sql: Sql) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, ScheduleRun):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        check(lambda: sql("UPDATE users SET points = points + 5"), settings=QUICK, listener=stop)
    assert sql("SELECT points FROM users") == [(0,)]


def test_a_listener_hears_everything_in_order(sql: Sql) -> None:
    heard: list[Event] = []
    verdict = check(Job(sql, "UPDATE users SET points = 5"), settings=QUICK, listener=heard.append)
    assert isinstance(heard[0], CheckStarted)
    assert heard[-1] == CheckFinished(verdict)
    sizes = {event.family: event.size for event in heard if isinstance(event, PlanReady)}  # they grow
    assert list(sizes) == ["duplicate", "concurrent", "crash", "timeout", "retry"]
    assert sizes == {family.name: family.planned for family in verdict.families}
    runs = [event for event in heard if isinstance(event, ScheduleRun)]
    assert list(dict.fromkeys(run.family for run in runs)) == list(sizes)
    assert all(run.passed for run in runs)


def test_the_same_check_gives_the_same_report(sql: Sql) -> None:
    settings = Settings(profile="quick", now=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
    reports = []
    for _ in range(2):
        sql("UPDATE users SET points = 0")
        reports.append(render(check(Job(sql, "UPDATE users SET points = points + 1"), settings=settings)))
    assert "JC103" in reports[0]
    assert reports[0] == reports[1]


def test_only_the_families_that_are_asked_for_are_tried(sql: Sql) -> None:
    verdict = check(Job(sql, "UPDATE users SET points = points + 1"), faults=["crash"], settings=QUICK)
    assert [family.name for family in verdict.families] == ["crash"]
    assert codes(verdict) == ["JC303"]


def test_with_one_copy_overlaps_are_not_tried(sql: Sql) -> None:
    verdict = check(Job(sql, "UPDATE users SET points = 1"), settings=Settings(profile="quick", copies=1))
    assert [family.name for family in verdict.families] == ["duplicate", "crash", "timeout", "retry"]


def test_a_single_schedule_can_be_run(sql: Sql) -> None:
    job = Job(sql, "UPDATE users SET points = points + 1")
    verdict = check(job, schedule="A1!kill A", settings=QUICK)
    assert (codes(verdict), [family.planned for family in verdict.families]) == (["JC303"], [1])
    assert check(job, schedule="A0!kill A", settings=QUICK)


@pytest.mark.parametrize("token", ["A9!kill A", "A2 B A"])
def test_a_schedule_that_cannot_be_carried_out_is_no_pass(sql: Sql, token: str) -> None:
    verdict = check(Job(sql, "UPDATE users SET points = 1"), schedule=token, settings=QUICK)
    assert (verdict.status, codes(verdict)) == ("inconclusive", ["JC909"])
    assert f"'{token}'" in verdict.findings[0].message
    assert check(Job(sql, "UPDATE users SET points = 1"), schedule="A1!kill A", settings=QUICK)


def test_the_users_store_wins(sql: Sql) -> None:
    seen: list[int] = []

    def job() -> None:
        seen.append(1)
        sql("UPDATE users SET points = 1")

    verdict = check(job, stores=[MemoryStore(seen, name="seen")], settings=QUICK)
    assert "JC103" in codes(verdict)
    assert verdict.findings[0].diff is not None
    assert {change.store for finding in verdict.findings if finding.diff for change in finding.diff.changes} == {"seen"}


def test_a_failure_that_does_not_come_again_is_not_reported_as_one(sql: Sql) -> None:
    executions = itertools.count()  # state that nobody sees

    def job() -> None:
        sql(f"UPDATE users SET points = {7 if next(executions) == 3 else 1}")

    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert (verdict.status, codes(verdict)) == ("inconclusive", ["JC908"])
    assert "only in 0 of 1 replays" in verdict.findings[0].message
    assert verdict.findings[0].replays == (0, 1)


def test_a_redelivery_that_never_comes_to_a_step_is_named(sql: Sql) -> None:
    def job() -> None:
        if sql("SELECT points FROM users") == [(1,)]:
            while True:
                pass
        sql("UPDATE users SET points = 1")

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick", guard=1))
    assert (verdict.status, codes(verdict)) == ("inconclusive", ["JC904"])
    assert str(verdict.findings[0].schedule) == "A A"


def test_advice_is_given_once(sql: Sql) -> None:
    verdict = check(Job(sql, "INSERT INTO users VALUES (2, 5)"), settings=QUICK)
    assert verdict.status == "holds"
    assert codes(verdict) == ["JC701"]


def test_findings_come_before_what_is_inconclusive_and_that_before_advice(sql: Sql) -> None:
    def job() -> None:
        sql("UPDATE users SET points = points + 1")
        sql("INSERT INTO users VALUES (2, 5)")

    verdict = check(job, settings=Settings(profile="quick", budget=1))
    gravities = [(not finding.gates, finding.inconclusive) for finding in verdict.findings]
    assert gravities == sorted(gravities)
    assert "JC907" in codes(verdict)


def test_what_is_ignored_is_noted_and_what_matches_nothing_too(sql: Sql) -> None:
    settings = Settings(profile="quick", ignore=("users.points", "users.nonsense"))
    verdict = check(Job(sql, "UPDATE users SET points = points + 1"), settings=settings)
    assert verdict.status == "holds"
    assert verdict.notes == (
        "left out on request: users.points, users.nonsense",
        "ignore matches nothing: users.nonsense",
    )


@pytest.mark.parametrize("faults", [[], ["crashes"]])
def test_unknown_faults_are_refused(faults: list[str]) -> None:
    with pytest.raises(UsageError, match="duplicate, concurrent, crash"):
        check(lambda: None, faults=faults)


def test_nothing_more_is_run_after_a_schedule_that_got_stuck(sql: Sql) -> None:
    def job() -> None:
        if sql("SELECT points FROM users") == [(1,)]:
            while True:
                pass
        sql("UPDATE users SET points = 1")

    heard: list[Event] = []
    verdict = check(job, settings=Settings(profile="quick", guard=1), listener=heard.append)
    assert verdict.status == "inconclusive"
    assert codes(verdict) == ["JC904"]
    assert sum(isinstance(event, ScheduleRun) for event in heard) == 1
    assert [family.status for family in verdict.families] == ["inconclusive"] * 5


def test_memory_that_is_too_large_is_left_alone_and_that_is_noted(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobchaos.stores.graph._MOST", 1000)
    known = [[number] for number in range(1001)]

    def job() -> None:
        sql(f"UPDATE users SET points = {len(known)}")

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick"))
    assert verdict.status == "holds"
    (note,) = (note for note in verdict.notes if "known leads to more than 1000 objects" in note)
    assert note.endswith("let the job know less. It is not restored between runs, nor compared")


def test_an_object_that_the_user_has_named_is_shown_once() -> None:
    inbox: list[str] = []

    def job() -> None:
        if not inbox:
            inbox.append("mail")

    settings = Settings(profile="quick", granularity="line")
    verdict = check(job, stores=[MemoryStore(inbox, name="inbox")], faults=["concurrent"], settings=settings)
    (finding,) = verdict.findings
    assert finding.diff is not None
    assert {change.store for change in finding.diff.changes} == {"inbox"}


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's directory for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    return tmp_path / "system"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_what_is_left_of_temporary_files_is_noted_and_removed(sql: Sql, system: Path, isolation: str) -> None:
    def job() -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "draft").write_text("hello")
            sql("UPDATE users SET points = 1")

    verdict = check(job, faults=["crash", "retry"], settings=Settings(profile="quick", isolation=isolation))
    assert verdict.status == "holds", verdict
    assert any(note.startswith("not compared: temporary files") for note in verdict.notes)
    assert os.listdir(system) == []


def test_temporary_files_that_a_clean_run_leaves_are_compared(sql: Sql, system: Path) -> None:
    verdict = check(lambda: (sql("UPDATE users SET points = 1"), tempfile.mkdtemp()), faults=["duplicate"])
    assert codes(verdict) == ["JC103"]
    assert not any("temporary files in" in note for note in verdict.notes)


PAYMENTS: list[int] = []


def test_memory_that_changes_beside_a_database_is_not_compared_and_that_is_noted(sql: Sql) -> None:
    def pays() -> None:
        sql("UPDATE users SET points = 5")
        PAYMENTS.append(42)

    settings = Settings(profile="quick")
    verdict = check(pays, faults=["duplicate"], settings=settings)
    assert verdict.status == "holds"
    (note,) = verdict.notes
    assert note.startswith("changed, but not compared, as memory is gone with its process: PAYMENTS.")
    named = check(pays, faults=["duplicate"], settings=settings, stores=[MemoryStore(PAYMENTS, name="payments")])
    assert named.status == "fails"
    assert not [note for note in named.notes if "not compared" in note]
