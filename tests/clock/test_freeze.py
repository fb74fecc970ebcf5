"""Controlled threads see virtual time, everybody else what they saw before, and nothing stays patched."""

from __future__ import annotations

import contextlib
import datetime
import queue
import sqlite3
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time as early_bound
from typing import Any

import freezegun
import pytest

from jobchaos.clock.freeze import Frozen, wall_seconds
from jobchaos.clock.virtual import VirtualClock
from tests.clock.conftest import Controlled

START = 1_700_000_000_123_456_789
TODAY = datetime.datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=datetime.timezone.utc)
_real_monotonic = [time.monotonic]


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The process's own time zone."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: time.time(), 1_700_000_000.123_456_789),
        (lambda: time.time_ns(), START),
        (lambda: early_bound(), 1_700_000_000.123_456_789),
        (lambda: time.clock_gettime_ns(time.CLOCK_REALTIME), START),
        (lambda: time.clock_gettime(time.CLOCK_REALTIME), 1_700_000_000.123_456_789),
        (lambda: datetime.datetime.now(datetime.timezone.utc), TODAY),
        (lambda: datetime.datetime.utcnow(), TODAY.replace(tzinfo=None)),
        (lambda: time.strftime("%H:%M", time.gmtime()), "22:13"),
        (lambda: time.gmtime(60).tm_min, 1),
    ],
)
def test_a_controlled_thread_sees_virtual_time(controlled: Controlled, read: Callable[[], Any], expected: Any) -> None:
    assert controlled(read, VirtualClock(START)) == expected


LOCAL = {"UTC": "2023-11-14 22:13", "America/New_York": "2023-11-14 17:13", "Asia/Kolkata": "2023-11-15 03:43"}


@pytest.mark.parametrize(
    "read",
    [
        lambda: str(datetime.datetime.now())[:16],
        lambda: str(datetime.datetime.today())[:16],
        lambda: f"{datetime.date.today()} {time.strftime('%H:%M')}",
        lambda: time.strftime("%Y-%m-%d %H:%M", time.localtime()),
        lambda: str(datetime.datetime.strptime(time.ctime(), "%a %b %d %H:%M:%S %Y"))[:16],
        lambda: str(datetime.datetime.strptime(time.asctime(), "%a %b %d %H:%M:%S %Y"))[:16],
    ],
)
def test_local_time_is_that_of_the_machine(controlled: Controlled, read: Callable[[], str], zone: str) -> None:
    assert controlled(read, VirtualClock(START)) == LOCAL[zone]


@pytest.mark.usefixtures("zone")
def test_a_local_time_converts_to_the_same_moment(controlled: Controlled) -> None:
    def read() -> tuple[Any, ...]:
        naive = datetime.datetime.now()
        return naive.astimezone(datetime.timezone.utc), naive.timestamp(), datetime.datetime.fromtimestamp(time.time())

    moment, seconds, naive = controlled(read, VirtualClock(START))
    assert moment == TODAY
    assert seconds == TODAY.timestamp()
    assert abs(naive.timestamp() - seconds) < 2e-6  # rounded, where the other is cut off


@pytest.mark.parametrize("name", ["monotonic", "perf_counter"])
def test_monotonic_time_follows_virtual_time(controlled: Controlled, name: str) -> None:
    clock = VirtualClock(START)

    def read() -> tuple[float, int]:
        before, before_ns = getattr(time, name)(), getattr(time, f"{name}_ns")()
        clock.advance(61_000_000_001)
        return getattr(time, name)() - before, getattr(time, f"{name}_ns")() - before_ns

    seconds, nanoseconds = controlled(read, clock)
    assert nanoseconds == 61_000_000_001
    assert round(seconds, 9) == 61.000_000_001


def test_a_machines_wall_clock_may_be_wrong_but_not_its_monotonic_one(controlled: Controlled) -> None:
    clock = VirtualClock(START)
    clock.skew("A", 5 * 10**9)
    read = lambda: (time.time_ns() - START, datetime.datetime.now(datetime.timezone.utc) - TODAY, time.monotonic_ns())  # noqa: E731
    *ahead, monotonic = controlled(read, clock, "A")
    *right, same = controlled(read, clock, "B")
    assert ahead == [5 * 10**9, datetime.timedelta(seconds=5)]
    assert right == [0, datetime.timedelta(0)]
    assert monotonic == same


def module(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = types.ModuleType(name)
    exec(code, made.__dict__)
    monkeypatch.setitem(sys.modules, name, made)
    return made


@pytest.mark.parametrize("name", ["gift_jobs", "queue_tools", "threading_jobs", "gi", "multiprocessing_jobs"])
def test_a_module_with_an_unlucky_name_sees_virtual_time(
    controlled: Controlled, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import time
from datetime import datetime, timezone
from time import time as now
def job(): return time.time(), now(), datetime.now(timezone.utc).timestamp()
"""
    job = module(name, code, monkeypatch).job  # freezegun leaves out what begins with gi, queue, ...
    assert {round(value) for value in controlled(job, VirtualClock(START))} == {1_700_000_000}


def test_a_module_loaded_meanwhile_is_put_right_afterwards(
    controlled: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from datetime import date, datetime\nfrom time import time\ndef job(): return time()"
    load = lambda: module("late", code, monkeypatch).job()  # noqa: E731
    assert round(controlled(load, VirtualClock(START))) == 1_700_000_000
    late = sys.modules["late"]
    assert (late.date, late.datetime, late.time) == (datetime.date, datetime.datetime, time.time)
    assert late.datetime is datetime.datetime


def test_what_a_name_stands_for_may_have_changed_since_the_last_time(
    controlled: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = module("changing", "def now(): return 1.0\ndef job(): return now()", monkeypatch)
    assert controlled(clock.job, VirtualClock(START)) == 1.0
    clock.now = time.time
    assert round(controlled(clock.job, VirtualClock(START))) == 1_700_000_000
    assert clock.now is time.time


def test_a_package_is_not_made_to_load_what_it_offers(controlled: Controlled, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
def __dir__(): return ["costly"]
def __getattr__(name): raise AssertionError(f"{name} is loaded") if name == "costly" else AttributeError(name)
"""
    module("lazy", code, monkeypatch)
    assert controlled(lambda: time.time_ns(), VirtualClock(START)) == START


def test_other_threads_see_real_time_meanwhile(controlled: Controlled, zone: str) -> None:
    del zone
    before = time.time()
    with controlled.frozen(VirtualClock(START)), ThreadPoolExecutor(1) as elsewhere:
        assert 0 <= elsewhere.submit(time.time).result() - before < 60
        assert 0 <= time.time_ns() / 10**9 - before < 60
        assert 0 <= datetime.datetime.now(datetime.timezone.utc).timestamp() - before < 60
        assert 0 <= datetime.datetime.now().timestamp() - before < 60
        assert datetime.date.today() == datetime.datetime.now().date()
        assert time.localtime() >= time.localtime(before)
        assert abs(time.monotonic() - _real_monotonic[0]()) < 60
        assert time.ctime() >= time.ctime(before) or time.ctime()[:3] != time.ctime(before)[:3]


def test_waiting_in_earnest_takes_real_time(controlled: Controlled) -> None:
    def wait() -> str:
        try:
            return str(queue.Queue[int]().get(timeout=0.001))
        except queue.Empty:
            return f"empty {threading.Event().wait(0.001)}"

    assert controlled(wait, VirtualClock(START)) == "empty False"


def test_looking_at_the_time_is_counted(controlled: Controlled) -> None:
    clock = VirtualClock(START)
    controlled(lambda: (time.time(), datetime.datetime.now(), time.monotonic(), datetime.date.today()), clock)
    assert clock.reads == 4


def test_uuid1_is_made_from_virtual_time(controlled: Controlled) -> None:
    one = controlled(uuid.uuid1, VirtualClock(START))
    assert one.time - 0x01B21DD213814000 == START // 100


def test_what_others_say_is_real(controlled: Controlled, tmp_path: Path) -> None:
    def look() -> tuple[float, str, float]:
        (tmp_path / "new").touch()
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            (year,) = db.execute("SELECT strftime('%Y', 'now')").fetchone()
        return (tmp_path / "new").stat().st_mtime, year, time.process_time()

    modified, year, cpu = controlled(look, VirtualClock(START))
    assert modified > time.time() - 3600
    assert int(year) > 2023
    assert cpu < 3600


def test_real_time_can_be_measured_within_a_freeze() -> None:
    with freezegun.freeze_time("2030-01-01"):
        before = wall_seconds()
        while wall_seconds() == before:
            pass


# --- nothing stays ---------------------------------------------------------------------------------------------------


def patched() -> tuple[Any, ...]:
    return (*(getattr(time, name) for name in dir(time)), datetime.datetime, datetime.date, early_bound, uuid.uuid1)


def test_everything_is_put_back(controlled: Controlled) -> None:
    controlled(int, VirtualClock(START))  # freezegun adds `time.clock` on its first use
    before, api = patched(), dict(vars(freezegun.api))
    controlled(lambda: None, VirtualClock(START))
    assert all(one is other for one, other in zip(before, patched(), strict=True))
    assert {name for name, value in vars(freezegun.api).items() if value is not api[name]} == set()
    assert freezegun.api.freeze_factories == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_everything_is_put_back_after_an_error(controlled: Controlled, error: type[BaseException]) -> None:
    before = (time.time, datetime.datetime, time.ctime)
    with pytest.raises(error), controlled.frozen(VirtualClock(START)):
        raise error
    assert (time.time, datetime.datetime, time.ctime) == before
    assert datetime.datetime is freezegun.api.real_datetime


def test_everything_is_put_back_after_an_error_half_way(
    controlled: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (time.time, datetime.datetime)
    monkeypatch.setattr(Frozen, "_unfrozen", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError), controlled.frozen(VirtualClock(START)):
        pass
    assert (time.time, datetime.datetime) == before
    assert freezegun.api.freeze_factories == []


# --- other freezes ---------------------------------------------------------------------------------------------------


def test_a_freeze_of_the_users_goes_on_around_it(controlled: Controlled) -> None:
    with freezegun.freeze_time("2030-01-01") as theirs:
        clock = VirtualClock(time.time_ns())
        with controlled.frozen(clock):
            clock.advance(10**9)
            assert controlled.within(lambda: datetime.datetime.now().isoformat()) == "2030-01-01T00:00:01"
            assert controlled.within(time.time) == time.time() + 1
            assert datetime.datetime.now().isoformat() == "2030-01-01T00:00:00"
        theirs.tick(60)
        assert datetime.datetime.now().isoformat() == "2030-01-01T00:01:00"
    assert freezegun.api.freeze_factories == []


def test_one_can_be_inside_another(controlled: Controlled) -> None:
    inner = Controlled()

    def check() -> tuple[Any, ...]:
        with inner.frozen(VirtualClock(START + 10**9)):
            return (
                inner.within(time.time_ns),
                time.time_ns(),
                datetime.datetime.now(datetime.timezone.utc),
                time.ctime(),
            )

    inside, outside, moment, text = controlled(check, VirtualClock(START))
    assert (inside, outside, moment) == (START + 10**9, START, TODAY)
    assert "2023" in text


def test_a_job_that_freezes_time_itself_sees_what_it_asked_for(controlled: Controlled) -> None:
    def job() -> tuple[Any, ...]:
        with freezegun.freeze_time("2031-05-06 07:08:09") as own:
            own.tick(1)
            inside = (datetime.datetime.now(datetime.timezone.utc).isoformat()[:19], time.time())
        return (*inside, time.time_ns())

    seen = controlled(job, VirtualClock(START))
    assert seen == ("2031-05-06T07:08:10", 1_935_817_690.0, START)


def test_a_freeze_that_a_job_forgets_ends_with_ours(controlled: Controlled) -> None:
    controlled(lambda: freezegun.freeze_time("2031-05-06").start(), VirtualClock(START))
    assert freezegun.api.freeze_factories == freezegun.api.tz_offsets == []
    assert datetime.datetime.now(datetime.timezone.utc).year != 2031
