"""`follow=True`: jobs that a job enqueues are run, too, each in its turn and under what is left of the schedule."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from jobchaos import Finding, Job, Settings, UsageError, Verdict, check
from tests.adapters import following
from tests.adapters.following import SYSTEMS, Awaited, Celery, System
from tests.database import Sql

FOLLOW = Settings(profile="quick", follow=True, delivery="at-least-once")


@pytest.fixture(params=SYSTEMS, ids=lambda system: system.__name__.lower())
def system(request: pytest.FixtureRequest, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> System:
    """One whose broker must never be contacted."""
    made: System = request.param()
    monkeypatch.setattr(following, "run", sql, raising=False)
    monkeypatch.setattr(following, "send", made.send, raising=False)
    return made


def gating(verdict: Verdict) -> list[Finding]:
    """But for time limits, which all functions of arq have: there they are final."""
    return [finding for finding in verdict.findings if finding.gates and finding.code != "JC308"]


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in gating(verdict)]


def labels(finding: Finding) -> list[str]:
    """What happens in its schedule, in short."""
    assert finding.trace is not None
    return [effect.label.split()[0] for effect in finding.trace.effects()]


def test_a_child_that_adds_twice_is_found_whoever_is_delivered_twice(system: System, sql: Sql) -> None:
    verdict = check(system.job("sets_and_adds", 5), faults=["duplicate", "crash"], settings=FOLLOW)
    duplicate, crash = gating(verdict)
    assert (duplicate.code, str(duplicate.schedule), crash.code, str(crash.schedule)) == (
        *("JC103", "A A"),
        *("JC303", "A2!kill A"),
    )
    assert labels(duplicate) == ["UPDATE", "ENQUEUE", "ACK", "UPDATE"] * 2 + ["ACK", "UPDATE"]
    assert crash.confirmed == "with a real SIGKILL"
    assert "before ACK sets_and_adds (next: adds)" in crash.message


def test_a_child_alone_is_killed_and_delivered_again(system: System, sql: Sql) -> None:
    """After its UPDATE, before it is acknowledged: nothing of its parent happens again."""
    (found,) = check(system.job("sets_and_adds", 5), schedule="A4!kill A", settings=FOLLOW).findings
    assert (found.code, found.confirmed) == ("JC303", "with a real SIGKILL")
    assert labels(found) == ["UPDATE", "ENQUEUE", "ACK", "UPDATE", "UPDATE"]


def test_sound_children_to_any_depth_stay_silent(system: System, sql: Sql) -> None:
    verdict = check(system.job("opens", 5), faults=["duplicate", "concurrent", "crash"], settings=FOLLOW)
    assert codes(verdict) == []
    assert "run as well, each after the job that enqueues it: closes, notes" in verdict.notes
    assert sql("SELECT id, points FROM users") == [(1, 0), (2, 0), (3, 5)]
    if isinstance(system, Celery):  # the others stamp their messages with the time, which might be looked at
        assert "any number of sequential crashes" in verdict.claim


def test_workers_that_are_processes_follow_just_the_same(system: System, sql: Sql) -> None:
    real = dataclasses.replace(FOLLOW, isolation="process")
    found = gating(check(system.job("sets_and_adds", 5), faults=["duplicate", "crash"], settings=real))
    assert [(finding.code, str(finding.schedule)) for finding in found] == [("JC103", "A A"), ("JC303", "A2!kill A")]
    assert check(system.job("opens", 5), faults=["duplicate"], settings=real).status == "holds"


def test_without_following_it_is_a_message_too_many_that_is_found(system: System, sql: Sql) -> None:
    alone = dataclasses.replace(FOLLOW, follow=False)
    for name in ("sets_and_adds", "opens"):
        assert codes(check(system.job(name, 5), faults=["duplicate"], settings=alone)) == ["JC101"]


def test_a_child_that_a_kill_loses_is_lost(system: System, sql: Sql) -> None:
    auto = dataclasses.replace(FOLLOW, delivery="auto")
    wanted = [system.when_killed] if system.when_killed else []
    assert codes(check(system.job("opens", 5), faults=["crash"], settings=auto)) == wanted
    sql("DELETE FROM users WHERE id > 1")
    verdict = check(system.job("opens", 5), schedule="A3!kill", settings=auto)
    assert codes(verdict) == wanted
    if wanted == ["JC306"]:
        assert "after ACK opens (next: notes) and before INSERT INTO users" in verdict.findings[0].message


def test_what_is_given_up_ends_as_such_after_the_others(system: System, sql: Sql) -> None:
    (found,) = check(system.job("forwards", 5), faults=["duplicate"], settings=FOLLOW).findings
    assert found.code == "JC903"
    assert "fails: nobody has 5 points" in found.message
    assert labels(found) == ["ENQUEUE", "ENQUEUE", "ACK", "ACK", "UPDATE"]


def test_copies_of_different_jobs_have_lines_of_their_own(system: System, sql: Sql) -> None:
    verdict = check(system.job("opens", 5), system.job("closes", 5), settings=FOLLOW)
    assert codes(verdict) == []
    (found, *_) = check(system.job("sets_and_adds", 5), system.job("sets_and_adds", 7), settings=FOLLOW).findings
    assert found.code in ("JC205", "JC208", "JC203")


def test_what_is_not_known_here_stays_a_message(system: System, sql: Sql) -> None:
    async def awaits() -> None:
        assert isinstance(system, Awaited)
        await system.kick("closes", 5)

    def sends() -> None:
        system.send("closes", 5)

    verdict = check(Job(awaits if isinstance(system, Awaited) else sends), faults=["duplicate"], settings=FOLLOW)
    assert codes(verdict) == ["JC101"]
    assert any(note.startswith("enqueued and not run, as ") for note in verdict.notes)


def test_chains_callbacks_and_retries_of_children_are_followed(sql: Sql) -> None:
    celery = pytest.importorskip("celery")
    app = celery.Celery("shop", broker="amqp://broker.example.com//")

    @app.task(shared=False, bind=True)
    def settles(self: Any, points: int) -> int:
        if not self.request.retries:
            raise self.retry(countdown=60)
        sql(f"UPDATE users SET points = {points}")
        return points

    @app.task(shared=False)
    def doubles(points: int) -> int:
        sql(f"UPDATE users SET points = {2 * points}")
        return 2 * points

    @app.task(shared=False)
    def adds_up(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    @app.task(shared=False)
    def begins(points: int, *, soundly: bool) -> None:
        (settles.s(points) | doubles.s() | (doubles.s() if soundly else adds_up.s())).delay()

    verdict = check(begins.s(5, soundly=True), faults=["duplicate", "crash"], settings=FOLLOW)
    assert (codes(verdict), sql("SELECT points FROM users")) == ([], [(20,)])
    sql("UPDATE users SET points = 0")
    found = check(begins.s(5, soundly=False), schedule="A A7!kill A", settings=FOLLOW)
    assert codes(found) == ["JC303"]


def test_one_loop_for_all_copies_has_no_workers_that_go_on() -> None:
    with pytest.raises(UsageError, match="another job when one is done: choose one of them"):
        Settings(follow=True, granularity="await")
    with pytest.raises(UsageError, match="follow must be True or False, got 'yes'"):
        Settings(follow="yes")  # type: ignore[arg-type]


def test_the_report_shows_where_one_job_ends_and_the_next_begins(pytester: pytest.Pytester) -> None:
    pytest.importorskip("celery")
    pytester.makepyfile(
        """
        import sqlite3
        from contextlib import closing

        import celery
        import pytest

        app = celery.Celery("shop", broker="amqp://broker.example.com//")

        def run(statement):
            with closing(sqlite3.connect("app.db", isolation_level=None)) as db:
                db.execute(statement)

        @app.task
        def registers(user):
            run(f"INSERT OR IGNORE INTO users VALUES ({user}, 0)")
            credits.delay(user)

        @app.task
        def credits(user):
            run("UPDATE users SET points = points + 5")

        @pytest.mark.jobchaos(follow=True)
        def test_registers(run_twice, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            run("CREATE TABLE users (id INTEGER PRIMARY KEY, points INT)")
            run_twice(registers, 1)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:celery")
    result.stdout.fnmatch_lines(["*ACK registers (next: credits)*"])
