"""A clock that the user's own fixtures have frozen: a check begins there, and gives it back as it was."""

from __future__ import annotations

import pytest

JOBS = """
import contextlib
import datetime
import sqlite3
import time

import pytest


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


@pytest.fixture
def stamp(tmp_path):
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE stamps (at TEXT)")

    def job():
        time.sleep(3600)
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM stamps")
            db.execute("INSERT INTO stamps VALUES (?)", (now(),))

    def stamps():
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [at for (at,) in db.execute("SELECT at FROM stamps")]

    job.stamps = stamps
    return job
"""

CHECKED = """
def test_checked(frozen, run_twice, stamp):
    assert now() == "2031-05-06T07:08:09+00:00"
    verdict = run_twice(stamp)
    assert stamp.stamps() == ["2031-05-06T08:08:09+00:00"]
    assert now() == "2031-05-06T07:08:09+00:00"
    assert verdict.status == "holds"


def test_checked_in_vain(frozen, run_twice):
    def breaks():
        raise RuntimeError
    with pytest.raises(AssertionError, match="fails without any fault"):
        run_twice(breaks)
    assert now() == "2031-05-06T07:08:09+00:00"


def test_with_a_clock_of_its_own(frozen, fake_clock, run_twice, stamp):
    assert now() == "2031-05-06T07:08:09+00:00"
    fake_clock.advance(60)
    run_twice(stamp)
    assert stamp.stamps() == ["2031-05-06T08:09:09+00:00"]


def test_afterwards():
    assert now() > "2031-05-06" or now() < "2031-05-06"
    assert not now().startswith("2031-05-06T07:08")
"""

FREEZEGUN = """
import freezegun


@pytest.fixture
def frozen():
    with freezegun.freeze_time("2031-05-06 07:08:09"):
        yield
"""
TIME_MACHINE = """
import time_machine as machine


@pytest.fixture
def frozen():
    with machine.travel("2031-05-06 07:08:09+00:00", tick=False):
        yield
"""
ITS_OWN_FIXTURE = """
@pytest.fixture
def frozen(time_machine):
    time_machine.move_to("2031-05-06 07:08:09+00:00", tick=False)
"""


@pytest.mark.parametrize(
    ("freeze", "module"),
    [
        pytest.param(FREEZEGUN, "freezegun", id="freezegun"),
        pytest.param(TIME_MACHINE, "time_machine", id="time-machine"),
        pytest.param(ITS_OWN_FIXTURE, "time_machine", id="time-machine's fixture"),
    ],
)
def test_a_check_begins_where_a_fixture_has_frozen_time_and_gives_it_back(
    pytester: pytest.Pytester, freeze: str, module: str
) -> None:
    pytest.importorskip(module)
    pytester.makepyfile(JOBS + freeze + CHECKED)
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=4)


def test_what_is_no_limit_is_refused_by_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(JOBS + "def test_limit(run_with_timeouts, stamp):\n    run_with_timeouts(stamp, within=0)\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*within must be a number of seconds above 0, got 0*"])
