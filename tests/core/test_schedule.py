from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.schedule import Fault, Run, Schedule, Skew, Wait
from jobchaos.errors import TokenError, UsageError

_LETTERS = st.sampled_from("ABCDXYZ")
_RUNS = st.one_of(
    st.builds(Run, _LETTERS, st.none() | st.integers(0, 10**6)),
    st.builds(Run, _LETTERS, st.integers(0, 10**6), st.sampled_from(Fault)),
    st.builds(Run, _LETTERS, st.integers(0, 9), st.just(Fault.DOWN), count=st.integers(0, 99), late=st.booleans()),
)
_WAITS = st.builds(Wait, st.integers(1, 10**15) | st.integers(1, 10**4).map(lambda seconds: seconds * 10**9))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    segments = draw(st.lists(_RUNS | _WAITS, max_size=8))
    segments.insert(draw(st.integers(0, len(segments))), draw(_RUNS))
    return Schedule(tuple(segments))


@given(schedules())
def test_every_schedule_reads_back_from_its_token(schedule: Schedule) -> None:
    assert Schedule.parse(str(schedule)) == schedule


@given(st.text(alphabet="ABZ019!kilfost+.mhnu \t\N{ARABIC-INDIC DIGIT THREE}", max_size=12))
def test_any_text_is_read_or_refused_within_its_bounds(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except TokenError as error:
        position = error.position
    else:
        position = 0
        assert Schedule.parse(str(schedule)) == schedule
    assert 0 <= position <= len(text)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("A3 B A", (Run("A", 3), Run("B"), Run("A"))),
        ("A3!kill A", (Run("A", 3, Fault.KILL), Run("A"))),
        ("A2!fail", (Run("A", 2, Fault.FAIL),)),
        ("A2!lost", (Run("A", 2, Fault.LOST),)),
        ("A0!hang", (Run("A", 0, Fault.HANG),)),
        ("A2!down", (Run("A", 2, Fault.DOWN),)),
        ("A2!down3 B", (Run("A", 2, Fault.DOWN, count=3), Run("B"))),
        ("A2!down3+", (Run("A", 2, Fault.DOWN, count=3, late=True),)),
        ("A2!fatal2", (Run("A", 2, Fault.FATAL, count=2),)),
        ("A2 +61s B A", (Run("A", 2), Wait(61 * 10**9), Run("B"), Run("A"))),
        ("  A\t\nB  ", (Run("A"), Run("B"))),
    ],
)
def test_tokens_mean_their_segments(token: str, expected: tuple[Run | Wait, ...]) -> None:
    assert Schedule.parse(token).segments == expected


@pytest.mark.parametrize(
    ("token", "nanoseconds", "written"),
    [
        ("+7ns", 7, "+7ns"),
        ("+1500us", 1_500_000, "+1500us"),
        ("+0.5us", 500, "+500ns"),
        ("+500ms", 500_000_000, "+500ms"),
        ("+1.5h", 5400 * 10**9, "+5400s"),
        ("+2m", 120 * 10**9, "+120s"),
    ],
)
def test_times_are_whole_nanoseconds_written_in_seconds_or_less(token: str, nanoseconds: int, written: str) -> None:
    wait = Schedule.parse(f"{token} A").segments[0]
    assert wait == Wait(nanoseconds)
    assert str(wait) == written


@pytest.mark.parametrize(
    ("token", "position", "problem"),
    [
        ("", 0, "no copy runs"),
        ("+5s", 3, "no copy runs"),
        ("A a", 2, "letter A-Z"),
        ("3A", 0, "letter A-Z"),
        ("A3x B", 2, "does not continue 'A3'"),
        ("A3-1", 2, "does not continue 'A3'"),
        ("A\N{ARABIC-INDIC DIGIT THREE}", 1, "does not continue 'A'"),
        (
            "B A3!boom A",
            5,
            "unknown fault 'boom'; known are kill, terminate, fail, lost, hang, late, slow, down, fatal",
        ),
        ("A3!KILL", 3, "unknown fault 'KILL'"),
        ("A3!", 3, "unknown fault ''"),
        ("A3!kill!fail", 7, "does not continue"),
        ("A!kill", 1, "needs the number of steps before it, as in A3!kill"),
        ("A +x", 3, "expected a time"),
        ("A +5", 4, "expected a unit of time"),
        ("A +5days", 4, "expected a unit of time, one of ns, us, ms, s, m, h"),
        ("A +1.s", 4, "expected a unit of time"),
        ("A +0.5ns", 3, "whole nanoseconds"),
        ("A +0s", 3, "no time passes"),
        ("A @", 3, "expected a copy's letter and how far its clock is wrong"),
        ("A @B5s", 3, "as in @B+5s or @B-5s"),
        ("A @B+", 5, "expected a time"),
        ("A @B+0s", 5, "a clock that is wrong by nothing is right"),
        ("@B+5s", 5, "no copy runs"),
    ],
)
def test_a_bad_token_is_pointed_at(token: str, position: int, problem: str) -> None:
    with pytest.raises(TokenError, match="bad schedule token") as caught:
        Schedule.parse(token)
    assert problem in str(caught.value)
    assert (caught.value.token, caught.value.position) == (token, position)
    _, shown, pointer, *_ = str(caught.value).split("\n")
    assert (shown, pointer) == (f"  {token}", "  " + " " * position + "^")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Run("a"),
        lambda: Run("AB"),
        lambda: Run(""),
        lambda: Run("A", -1),
        lambda: Run("A", None, Fault.KILL),
        lambda: Wait(0),
        lambda: Wait(-1),
        lambda: Skew("B", 0),
        lambda: Skew("b", 1),
        lambda: Schedule(()),
        lambda: Schedule((Wait(1),)),
    ],
)
def test_senseless_segments_cannot_be_made(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize(
    ("token", "skew"),
    [("@B+5s", Skew("B", 5 * 10**9)), ("@A-500ms", Skew("A", -500_000_000)), ("@C+1us", Skew("C", 1000))],
)
def test_a_wrong_clock_is_read_and_written(token: str, skew: Skew) -> None:
    schedule = Schedule.parse(f"{token} A1 +2s B A")
    assert schedule.segments[0] == skew
    assert str(schedule) == f"{token} A1 +2s B A"
    assert str(schedule.timeless) == "A1 B A"
    assert schedule.is_timed
    assert not schedule.timeless.is_timed


def test_simplicity_puts_copies_first_then_faults_preemptions_segments_and_positions() -> None:
    ordered = ["A", "A A", "A0!kill A", "A2!kill A", "A0!terminate A", "A2!kill A1!kill A", "A B", "B A", "A1 B"]
    ordered += ["A1 B A", "A2 B A", "A1 B1 A B", "A1!kill B A"]
    keys = [Schedule.parse(token).simplicity for token in ordered]
    assert keys == sorted(keys)


@given(schedules(), schedules())
def test_simplicity_orders_any_two_different_schedules(one: Schedule, other: Schedule) -> None:
    assert (one.simplicity == other.simplicity) == (one == other)


@pytest.mark.parametrize(
    ("token", "preemptions"),
    [
        ("A A", 0),
        ("A B", 0),
        ("A3 A", 0),
        ("A3!kill B A", 0),
        ("A3 B A", 1),
        ("A3 B", 1),
        ("A3 +61s B A", 1),
        ("A1 B1 A B", 2),
        ("A1 B1", 2),
        ("A1 B1 A1 B", 3),
    ],
)
def test_preemptions_count_pauses_of_living_copies(token: str, preemptions: int) -> None:
    assert Schedule.parse(token).preemptions == preemptions


def test_copies_and_kills_are_counted() -> None:
    schedule = Schedule.parse("B1!kill A2!kill C1!fail B")
    assert schedule.copies == ("A", "B", "C")
    assert schedule.kills == 2
    assert [run.copy for run in schedule.runs] == ["B", "A", "C", "B"]
