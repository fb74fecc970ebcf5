"""A run line by line: one column a copy, call sites at the right, nothing beyond the width."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobchaos.report.moment import Moment, moments
from jobchaos.report.timeline import timeline
from tests.report.builders import crashed, done, said

_SITES = ["", "jobs.py:14", "app/billing/invoices/sending.py:120", f"{'deep/' * 20}jobs.py:7"]


def test_a_crash_reads_from_top_to_bottom() -> None:
    assert timeline(moments(crashed()), 80) == [
        "    A",
        " 1  BEGIN",
        " 2  SMTP ann@example.com       250",
        " 3  UPDATE users SET sent = 1",
        "    x killed before COMMIT: the update is rolled back, the mail is not",
        "    A again",
        " 4  BEGIN",
        " 5  SMTP ann@example.com       250",
        " 6  UPDATE users SET sent = 1",
        " 7  COMMIT",
    ]


def test_each_copy_has_its_own_column() -> None:
    run = [
        done(1, "BEGIN"),
        done(2, "SELECT sent", "-> 0"),
        done(3, "BEGIN", copy="B"),
        said("blocked", "waits for users", copy="B"),
        done(4, "COMMIT"),
        done(5, "COMMIT", copy="B"),
    ]
    assert timeline(run, 80) == [
        "    A                  B",
        " 1  BEGIN",
        " 2  SELECT sent  -> 0",
        " 3                     BEGIN",
        "                       waits for users",
        " 4  COMMIT",
        " 5                     COMMIT",
    ]


def test_columns_are_in_letter_order_whoever_moves_first() -> None:
    run = [done(number, "step", copy=copy) for number, copy in enumerate("FBDAEC", 1)]
    heading, first, *_ = timeline(run, 80)
    assert heading.split() == ["A", "B", "C", "D", "E", "F"]
    assert first.index("step") == heading.index("F")


def test_pauses_ends_and_first_deliveries_are_not_told() -> None:
    run = [
        said("delivered", "A starts"),
        done(1, "COMMIT"),
        said("paused", "pauses"),
        said("delivered", "A again", attempt=2),
        said("finished", "finished"),
    ]
    assert timeline(run, 80) == ["    A", " 1  COMMIT", "    A again"]


def test_what_belongs_to_no_copy_stands_in_the_first_column() -> None:
    run = [done(1, "one"), said("time", "61 s pass", copy=""), done(2, "two", copy="B")]
    assert timeline(run, 80)[2] == "    61 s pass"


def timed(moment: Moment, seconds: float) -> Moment:
    return replace(moment, at=round(seconds * 10**9))


def test_a_time_axis_stands_at_the_left_where_time_matters() -> None:
    run = [
        timed(done(1, "lock", "1 row"), 1_000),
        timed(said("leased", "holds x for 60 s"), 1_000),
        timed(said("time", "61 s pass", copy=""), 1_061),
        timed(done(2, "lock", copy="B"), 1_062.5),
        timed(done(3, "write", "a refusal that takes a line", applied=False), 1_062.5),
    ]
    assert timeline(run, 60) == [
        "   time      A             B",
        "   +0 s   1  lock   1 row",
        "             holds x for 60 s",
        "  +61 s      61 s pass",
        "+62.5 s   2                lock",
        "          3  write",
        "               failed: a refusal that takes a line",
    ]
    assert all(len(line) <= 40 for line in timeline(run, 40))


def test_there_is_no_axis_where_time_does_not_matter() -> None:
    redelivered = [
        timed(done(1, "one"), 0),
        timed(said("delivered", "A again", attempt=2), 1),
        timed(done(2, "two"), 1),
    ]
    assert timeline(redelivered, 80)[0] == "    A"
    assert timeline([timed(said("leased", "holds x"), 5), timed(done(1, "one"), 5)], 80)[0] == "    A"


def test_nothing_that_is_told_leaves_the_heading() -> None:
    assert timeline([], 80) == ["    A"]


def test_the_one_file_of_all_sites_is_named_once() -> None:
    run = [done(1, "BEGIN", "ok", site="jobs.py:14"), done(2, "COMMIT", site="jobs.py:119"), done(3, "sleep")]
    assert timeline(run, 80) == [
        "    A           jobs.py",
        " 1  BEGIN   ok  :14",
        " 2  COMMIT      :119",
        " 3  sleep",
    ]


def test_sites_in_several_files_are_named_in_full() -> None:
    run = [done(1, "BEGIN", "ok", site="jobs.py:14"), done(2, "COMMIT", site="app/db.py:9")]
    assert timeline(run, 80) == [
        "    A",
        " 1  BEGIN   ok  jobs.py:14",
        " 2  COMMIT      app/db.py:9",
    ]


def test_sites_stand_below_their_file_where_nothing_has_an_outcome() -> None:
    heading, first = timeline([done(1, "COMMIT", site="jobs.py:14")], 80)
    assert first.index(":14") == heading.index("jobs.py")


def test_an_outcome_that_is_long_or_a_failure_has_a_line_of_its_own() -> None:
    run = [
        done(1, "SELECT name", "-> a name that goes on and on"),
        done(2, "COMMIT", "locked", applied=False),
        done(3, "SMTP", "250", site="jobs.py:14"),
    ]
    assert timeline(run, 60) == [
        "    A                 jobs.py",
        " 1  SELECT name",
        "      -> a name that goes on and on",
        " 2  COMMIT",
        "      failed: locked",
        " 3  SMTP         250  :14",
    ]


def test_the_widest_label_gives_way_first_and_keeps_both_ends() -> None:
    long = "UPDATE users SET sent = 1 WHERE id = 1 AND name = 'Ann' AND sent = 0"
    heading, first, second = timeline([done(1, long, "1 row"), done(2, "COMMIT", copy="B")], 50)
    assert heading.split() == ["A", "B"]
    assert first.startswith(" 1  UPDATE users SET ")
    assert "..." in first
    assert first.endswith("sent = 0  1 row")
    assert second.endswith("  COMMIT")
    assert max(len(first), len(second)) <= 50


def test_numbers_stand_flush_right() -> None:
    told = timeline([done(number, "x") for number in (9, 10, 100)], 80)
    assert told == ["     A", "  9  x", " 10  x", "100  x"]


def effects(count: int) -> list[Moment]:
    return [done(number, f"step {number}") for number in range(1, count + 1)]


def test_forty_lines_are_told_in_full() -> None:
    assert [line.split()[0] for line in timeline(effects(40), 80)[1:]] == [str(number) for number in range(1, 41)]


@pytest.mark.parametrize("count", [41, 100, 5000])
def test_of_a_longer_run_the_middle_is_left_out_and_counted(count: int) -> None:
    told = [line.strip() for line in timeline(effects(count), 80)[1:]]
    assert len(told) == 40
    assert told[19].endswith("step 20")
    assert told[20] == f"... {count - 39} more effects ..."
    assert told[21].endswith(f"step {count - 18}")
    assert told[-1].endswith(f"step {count}")


def test_what_befell_a_copy_in_the_middle_of_a_long_run_is_still_told() -> None:
    run = effects(100)
    run.insert(50, said("killed", "x killed before step 51"))
    told = [line.strip() for line in timeline(run, 80)[1:]]
    assert told[20:23] == ["... 30 more effects ...", "x killed before step 51", "... 31 more effects ..."]
    assert len(told) == 42


def test_a_marker_never_takes_the_place_of_a_single_effect() -> None:
    run = effects(42)
    run[21] = said("killed", "x killed")
    told = [line.split()[-1] for line in timeline(run, 80)[1:]]
    assert told[20:23] == ["21", "killed", "23"]
    assert len(told) == 42


def test_if_much_befell_the_copies_it_is_left_out_as_well() -> None:
    run = effects(200)
    for index in range(11):
        run.insert(50 + index, said("killed", "x killed"))
    told = [line.strip() for line in timeline(run, 80)[1:]]
    assert told[20] == "... 161 more effects ..."
    assert len(told) == 40
    assert "x killed" not in told


def test_a_marker_does_not_say_that_nothing_was_left_out() -> None:
    run = [done(1, "BEGIN"), *(said("blocked", "waits for users") for _ in range(100)), done(2, "COMMIT")]
    assert not [line for line in timeline(run, 80) if "... 0 more" in line]


_FULL = [done(1, "x" * 200, site="jobs.py:14"), done(2, "x", site="db.py:9")]
_TEXTS = st.text("abc", min_size=1, max_size=30) | st.just("a long statement " * 9 + "ends here")


@st.composite
def runs(draw: st.DrawFn) -> list[Moment]:
    copies = st.sampled_from(draw(st.sampled_from(["A", "AB", "ABC"])))
    outcomes = draw(st.sampled_from([st.just(""), st.text("01", max_size=30)]))
    sites = st.sampled_from(draw(st.sampled_from([[""], ["jobs.py:14", "jobs.py:9"], _SITES])))
    effects = st.builds(done, st.just(1), _TEXTS, outcomes, copy=copies, site=sites, applied=st.booleans())
    others = st.builds(said, st.just("killed"), _TEXTS, copy=copies)
    run = draw(st.lists(effects | others, max_size=8))
    return [dataclasses.replace(moment, number=moment.number and n) for n, moment in enumerate(run, 1)]


@given(runs(), st.integers(108, 140))
@example(_FULL, 108)
def test_nothing_goes_beyond_the_width(run: list[Moment], width: int) -> None:
    assert max(map(len, timeline(run, width))) <= width


def test_a_long_label_without_an_outcome_leaves_room_for_its_site() -> None:
    assert max(map(len, timeline(_FULL, 108))) <= 108


def test_outcomes_of_many_copies_do_not_go_beyond_the_width() -> None:
    run = [done(number, "SELECT name", "-> 'a name of 20 ch'", copy=copy) for number, copy in enumerate("ABCDEF", 1)]
    assert max(map(len, timeline(run, 108))) <= 108


@given(runs())
def test_every_label_and_outcome_is_told_in_full_if_there_is_room(run: list[Moment]) -> None:
    told = "\n".join(timeline(run, 10_000))
    for moment in run:
        assert moment.text in told
        assert moment.outcome in told


def test_folders_give_way_to_what_happened() -> None:
    steps = [done(1, "UPDATE users SET sent = 1"), done(2, "UPDATE users SET sent = 1", copy="B")]
    sites = ["shop/billing/jobs.py:14", "shop/billing/mail.py:3"]
    run = [dataclasses.replace(step, site=site) for step, site in zip(steps, sites, strict=True)]
    assert [line.split()[-1] for line in timeline(run, 100)[1:]] == sites
    assert [line.split()[-1] for line in timeline(run, 70)[1:]] == ["jobs.py:14", "mail.py:3"]
    assert all("UPDATE users SET sent = 1 " in line for line in timeline(run, 70)[1:])


def test_folders_stay_where_they_tell_files_apart() -> None:
    steps = [done(1, "UPDATE users SET sent = 1"), done(2, "UPDATE users SET sent = 1", copy="B")]
    sites = ["billing/jobs.py:14", "mail/jobs.py:3"]
    run = [dataclasses.replace(step, site=site) for step, site in zip(steps, sites, strict=True)]
    assert [line.split()[-1] for line in timeline(run, 70)[1:]] == sites
