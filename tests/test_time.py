"""Time in whole checks: virtual for the job however it asks, the same in every check, and put back afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import pickle
import queue
import sqlite3
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import freezegun.api
import pytest

from jobchaos import Settings, check
from jobchaos.clock.freeze import Frozen
from jobchaos.core.events import Event, ScheduleRun

NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)
QUICK = Settings(profile="quick", now=NOON)
DAY = 24 * 3600
READY = threading.Event()
ORDERS: queue.Queue[int] = queue.Queue()

Store = Callable[[object], None]


@pytest.fixture
def path(tmp_path: Path) -> str:
    database = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript("CREATE TABLE notes (id INTEGER PRIMARY KEY, value); INSERT INTO notes VALUES (1, NULL)")
    return database


@pytest.fixture
def store(path: str) -> Store:
    """`store(value)`: write it down, in place of what was there."""

    def write(value: object) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE notes SET value = ? WHERE id = 1", (value,))

    return write


@pytest.fixture
def stored(path: str) -> Callable[[], Any]:
    def read() -> Any:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT value FROM notes").fetchone()[0]

    return read


def times_of(job: Callable[[], None]) -> list[int]:
    times: list[int] = []

    def timed() -> None:
        job()
        times.append(time.time_ns())

    check(timed, settings=QUICK)
    return times


def test_the_same_check_sees_the_same_times(store: Store) -> None:
    def job() -> None:
        time.sleep(3)
        asyncio.run(asyncio.sleep(0.1))
        READY.wait(0.001)
        store("done")

    first = times_of(job)
    assert first[0] == int(NOON.timestamp()) * 10**9 + 3_101_000_000
    assert times_of(job) == first


@pytest.mark.parametrize("fault", ["duplicate", "crash"])
def test_a_second_check_may_begin_in_the_second_in_which_the_first_one_wrote(
    store: Store, tmp_path: Path, fault: str
) -> None:
    def stamps() -> None:
        store(int(time.time()))
        (tmp_path / "new").write_text(str(int(time.time())))
        (tmp_path / "new").replace(tmp_path / "stamp")

    for _ in range(2):
        verdict = check(stamps, faults=[fault], settings=QUICK)
        assert verdict.status == "holds", verdict.findings


def test_the_name_of_a_thread_beside_a_time_may_differ(store: Store) -> None:
    def logs() -> None:
        store(f"{time.time()} {threading.current_thread().name} done")

    verdict = check(logs, faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings


def test_time_is_frozen_once_a_check(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Frozen] = []
    enter = Frozen.__enter__

    def counted(self: Frozen) -> None:
        entered.append(self)
        enter(self)

    monkeypatch.setattr(Frozen, "__enter__", counted)
    verdict = check(lambda: store(time.monotonic() > 0), settings=QUICK)
    assert verdict.schedules_run > 3
    assert len(entered) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_real_time_is_back_after_a_check_that_was_broken_off(store: Store, error: type[BaseException]) -> None:
    before = (time.time, time.sleep, datetime.datetime, threading.Condition.wait, asyncio.new_event_loop)

    def stop(event: Event) -> None:
        if isinstance(event, ScheduleRun):
            raise error

    with pytest.raises(error):
        check(lambda: store("done"), settings=QUICK, listener=stop)
    assert (time.time, time.sleep, datetime.datetime, threading.Condition.wait, asyncio.new_event_loop) == before
    assert freezegun.api.freeze_factories == []


@pytest.mark.parametrize("name", ["gift_jobs", "queue_tools"])
def test_a_job_in_a_module_with_an_unlucky_name_sees_virtual_time(
    store: Store, stored: Callable[[], Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType(name)
    vars(module)["store"] = store
    exec("from time import time\nfrom datetime import date\ndef job(): store(f'{date.today()} {time()}')", vars(module))
    monkeypatch.setitem(sys.modules, name, module)
    assert check(module.job, settings=QUICK).status == "holds"
    assert stored() == f"2030-01-01 {NOON.timestamp()}"


def test_dates_in_pickles_are_plain_ones(store: Store, stored: Callable[[], Any]) -> None:
    made_before = datetime.datetime(2020, 1, 1)
    job = lambda: store(pickle.dumps([made_before, datetime.datetime.now(datetime.timezone.utc)]))  # noqa: E731
    verdict = check(job, settings=QUICK)
    assert verdict.status != "inconclusive"
    values = pickle.loads(stored())
    assert values == [made_before, NOON]
    assert {type(value) for value in values} == {datetime.datetime}


CLOCKS = (time.time, time.monotonic)


class Invoice:
    """Keeps a clock of its own."""

    created = time.time


def test_a_clock_in_a_class_is_virtual(store: Store, stored: Callable[[], Any]) -> None:
    verdict = check(lambda: store(Invoice.created()), settings=QUICK)
    assert verdict.status == "holds"
    assert stored() == NOON.timestamp()
    assert Invoice.created is time.time


def test_a_clock_out_of_reach_is_told(store: Store) -> None:
    verdict = check(lambda: store(CLOCKS[0]() > 0), settings=QUICK)
    (advice,) = [finding for finding in verdict.findings if finding.code == "JC710"]
    assert f"{__name__}.CLOCKS keeps time.time" in advice.message
    assert verdict.status == "holds"


def test_who_writes_what_such_a_clock_shows_is_told_why_runs_differ(store: Store) -> None:
    verdict = check(lambda: store(CLOCKS[0]()), settings=QUICK)
    (finding,) = [finding for finding in verdict.findings if finding.code == "JC901"]
    assert "time is not, where JC710 says so" in finding.detail


def test_three_days_of_sleep_take_no_time(store: Store) -> None:
    def job() -> None:
        for _ in range(3):
            time.sleep(DAY)
        store("done")

    verdict = check(job, settings=QUICK)
    assert verdict.status == "holds"
    assert verdict.seconds < 10


def test_a_wait_with_a_timeout_is_no_obstacle(store: Store) -> None:
    def job() -> None:
        with contextlib.suppress(queue.Empty):
            ORDERS.get(timeout=DAY)
        READY.wait(DAY)
        store("done")

    assert check(job, settings=QUICK).status == "holds"


@pytest.mark.parametrize(
    ("wait", "resource"),
    [
        (READY.wait, "event:READY"),
        (ORDERS.get, "queue:ORDERS"),
        (lambda: asyncio.run(asyncio.Event().wait()), "event loop:a task that nobody wakes"),
    ],
)
def test_a_wait_that_nobody_ends_is_told_and_not_hung_on(
    store: Store, wait: Callable[[], object], resource: str
) -> None:
    def job() -> None:
        store("doing")
        wait()

    verdict = check(job, settings=QUICK)
    assert verdict.status == "inconclusive"
    assert f"waits for ever for {resource}" in verdict.findings[0].message


def test_a_users_own_freeze_is_where_a_check_begins(store: Store, stored: Callable[[], Any]) -> None:
    with freezegun.freeze_time("2031-05-06 07:08:09.5"):
        assert check(lambda: store(str(datetime.datetime.now())), settings=Settings(profile="quick")).status == "holds"
        assert datetime.datetime.now().isoformat() == "2031-05-06T07:08:09.500000"
    assert stored() == "2031-05-06 07:08:09.500000"


def test_a_check_begins_where_time_machine_has_taken_the_test(store: Store, stored: Callable[[], Any]) -> None:
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(NOON, tick=False):
        job = lambda: store(datetime.datetime.now(datetime.timezone.utc).isoformat())  # noqa: E731
        assert check(job, settings=Settings(profile="quick")).status == "holds"
        assert time.time() == NOON.timestamp()
    assert stored() == "2030-01-01T12:00:00+00:00"


def test_a_job_that_uses_time_machine_itself_is_left_to_it(store: Store, stored: Callable[[], Any]) -> None:
    time_machine = pytest.importorskip("time_machine")

    def job() -> None:
        with time_machine.travel(60, tick=False):
            store(f"{time.time()} {datetime.datetime.now(datetime.timezone.utc).timestamp()}")

    assert check(job, settings=QUICK).status == "holds"
    assert stored() == "60.0 60.0"


def test_a_job_that_freezes_time_itself_is_left_to_it(store: Store, stored: Callable[[], Any]) -> None:
    def job() -> None:
        with freezegun.freeze_time("2031-05-06 07:08:09"):
            store(datetime.datetime.now(datetime.timezone.utc).isoformat())

    assert check(job, settings=QUICK).status == "holds"
    assert stored() == "2031-05-06T07:08:09+00:00"


@pytest.mark.parametrize("zone", [datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=-5))])
def test_runs_begin_exactly_when_the_user_says(
    store: Store, stored: Callable[[], Any], zone: datetime.timezone
) -> None:
    moment = datetime.datetime(2031, 5, 6, 23, 59, 59, 123_000, tzinfo=zone)

    def job() -> None:
        store(time.time_ns())

    check(job, faults=["duplicate"], settings=Settings(profile="quick", now=moment))
    assert divmod(stored(), 10**9) == (int(moment.timestamp()), 123_000_000)
