"""One event is one moment: numbered, worded, placed in the code, and safe to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobchaos.core.effect import Effect, Site
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.report.moment import Moment, moments
from tests.report.builders import befell, crashed, delivered, did, mail, sql

_UPDATE, _COMMIT = sql("UPDATE users SET sent = 1"), sql("COMMIT")


def told(*events: TraceEvent) -> list[Moment]:
    return list(moments(Trace(events)))


def test_a_crash_is_told_from_beginning_to_end() -> None:
    assert [(moment.number, moment.happening, moment.text, moment.outcome) for moment in moments(crashed())] == [
        (None, "delivered", "A starts", ""),
        (1, "effect", "BEGIN", ""),
        (2, "effect", "SMTP ann@example.com", "250"),
        (3, "effect", "UPDATE users SET sent = 1", ""),
        (None, "killed", "x killed before COMMIT: the update is rolled back, the mail is not", ""),
        (None, "delivered", "A again", ""),
        (4, "effect", "BEGIN", ""),
        (5, "effect", "SMTP ann@example.com", "250"),
        (6, "effect", "UPDATE users SET sent = 1", ""),
        (7, "effect", "COMMIT", ""),
        (None, "finished", "finished", ""),
    ]


def test_nothing_happened_in_an_empty_trace() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (befell(Happening.PAUSED, effect=_COMMIT), "pauses before COMMIT"),
        (befell(Happening.PAUSED), "pauses"),
        (befell(Happening.RAISED, "ValueError: no user 1"), "raises ValueError: no user 1"),
        (befell(Happening.TIME, "61 s", copy=""), "61 s pass"),
        (befell(Happening.TIMED_OUT, "sql:/tmp/app.db/"), "gives up waiting for app.db"),
        (
            TraceEvent(Happening.LEASED, "A", 1, None, "lease:invoice:42", 0, until=60 * 10**9),
            "holds invoice:42 for 60 s",
        ),
        (befell(Happening.RELEASED, "lease:invoice:42"), "frees invoice:42"),
        (befell(Happening.BLOCKED, "sql:/tmp/app.db/users", effect=_UPDATE), "waits for users"),
        (befell(Happening.BLOCKED, "the flag to be set"), "waits for the flag to be set"),
        (befell(Happening.TERMINATED, effect=_COMMIT), "x terminated before COMMIT, and cleans up"),
        (befell(Happening.KILLED), "x killed"),
        (befell(Happening.KILLED, effect=_COMMIT), "x killed before COMMIT"),
        (befell(Happening.KILLED, "60 s were over", effect=_COMMIT), "x killed before COMMIT: 60 s were over"),
        (befell(Happening.KILLED, "60 s were over"), "x killed: 60 s were over"),
    ],
)
def test_every_kind_of_event_has_its_words(event: TraceEvent, text: str) -> None:
    (moment,) = told(event)
    assert moment == Moment(None, event.happening.value, event.copy, 1, text, "", True, "", 0)


def test_effects_are_numbered_through_all_copies() -> None:
    events = (did(_UPDATE), delivered("B"), did(_UPDATE, copy="B"), befell(Happening.PAUSED), did(_COMMIT))
    assert [moment.number for moment in told(*events)] == [1, None, 2, None, 3]


def test_attempt_time_and_outcome_are_those_of_the_event() -> None:
    (moment,) = told(TraceEvent(Happening.EFFECT, "B", 3, mail(), "451 later", 5 * 10**9, applied=False))
    assert (moment.copy, moment.attempt, moment.outcome, moment.applied, moment.at) == (
        "B",
        3,
        "451 later",
        False,
        5 * 10**9,
    )


def test_the_one_other_copy_at_work_holds_the_lock() -> None:
    waiting = befell(Happening.BLOCKED, "sql:/tmp/app.db/users", copy="B")
    assert told(delivered("A"), delivered("B"), waiting)[-1].text == "waits for users (A holds a lock)"
    assert told(delivered("A"), delivered("B"), delivered("C"), waiting)[-1].text == "waits for users"


@pytest.mark.parametrize("end", [Happening.FINISHED, Happening.KILLED, Happening.RAISED])
def test_a_copy_that_ended_holds_no_lock(end: Happening) -> None:
    waiting = befell(Happening.BLOCKED, "sql:/tmp/app.db/users", copy="B")
    events = (delivered("A"), delivered("B"), delivered("C"), befell(end, copy="C"), waiting)
    assert told(*events)[-1].text == "waits for users (A holds a lock)"
    assert told(*events[:2], befell(end), waiting)[-1].text == "waits for users"


def test_a_polled_condition_is_held_by_nobody() -> None:
    waiting = befell(Happening.BLOCKED, "the reply", copy="B")
    assert told(delivered("A"), delivered("B"), waiting)[-1].text == "waits for the reply"


def test_a_death_undoes_only_what_its_own_attempt_applied() -> None:
    killed = befell(Happening.KILLED, effect=_COMMIT)
    refused = did(_UPDATE, "locked", applied=False)
    of_another = (delivered("B"), did(_UPDATE, copy="B"))
    before = (delivered(), did(_UPDATE), befell(Happening.RAISED, "OSError"), delivered(attempt=2))
    for events in ((delivered(), refused), (delivered(), *of_another), before):
        assert told(*events, killed)[-1].text == "x killed before COMMIT"
    assert told(*before, did(_UPDATE), killed)[-1].text == "x killed before COMMIT: the update is rolled back"


def test_a_site_below_the_working_directory_is_told_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = (
        did(sql("COMMIT", site=Site(str(file), 14, "send")))
        for file in (Path.cwd() / "app" / "jobs.py", tmp_path.parent / "elsewhere" / "library.py")
    )
    assert [moment.site for moment in told(here, there)] == ["app/jobs.py:14", "library.py:14"]


def test_only_an_effect_has_a_site() -> None:
    placed = sql("COMMIT", site=Site("jobs.py", 14, "send"))
    assert [moment.site for moment in told(befell(Happening.PAUSED, effect=placed), did(_COMMIT))] == ["", ""]


def test_everything_from_the_jobs_world_is_masked_and_escaped() -> None:
    site = Site("jo\x1bbs.py", 1, "send")
    label = "UPDATE users\n   SET password = 'hunter2'\x1b[2J"
    moment, raised = told(
        did(Effect("sql", label, site=site), "-> password=hunter2\x07"),
        befell(Happening.RAISED, "OSError: postgres://ann:hunter2@db/app\x9b"),
    )
    assert moment.text == r"UPDATE users SET password = ***\x1b[2J"
    assert moment.outcome == "-> password=***"
    assert moment.site == r"jo\x1bbs.py:1"
    assert raised.text == r"raises OSError: postgres://ann:***@db/app\x9b"
