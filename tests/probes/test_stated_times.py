"""Times in the values of statements: what is a lease, what a deadline, and what is neither."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from jobchaos.clock.freeze import Frozen
from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.effect import Mode, Touch
from jobchaos.core.leases import Holder
from jobchaos.probes.sqlite import SQLiteProbe
from jobchaos.probes.stated_times import note_times, written_in
from tests.probes.conftest import Watch

SECOND = 10**9
NOW = 1_800_000_000
WALL = NOW * SECOND + 250_000_000
TABLE = Touch("sql:/tmp/app.db/leases", Mode.WRITE)
READ = Touch("sql:/tmp/app.db/leases", Mode.READ)
UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2027, 1, 15, 8, 0, 0, 250_000, tzinfo=UTC)


class Told(Holder):
    """A worker that writes down what it is told, in seconds."""

    copy = "A"

    def __init__(self) -> None:
        self.leases: list[tuple[str, float]] = []
        self.released: list[str] = []
        self.deadlines: list[float] = []

    def lease(self, name: str, ttl: int) -> None:
        self.leases.append((name, ttl / SECOND))

    def release(self, name: str, *, and_parts: bool = False) -> None:
        self.released.append(name)

    def refuse(self, error: Exception) -> None:
        raise error

    def deadline(self, nanoseconds: int) -> None:
        self.deadlines.append(nanoseconds / SECOND)


def told(sql: str, *values: Any, touches: tuple[Touch, ...] = (TABLE,), changed: int = 1) -> Told:
    worker: Any = Told()
    note_times(worker, VirtualClock(WALL), sql, (values,), touches, changed)
    return worker  # type: ignore[no-any-return]


IN_A_MINUTE = [
    NOW + 60.25,
    NOW + 60,
    NOW * 1000 + 60_250,
    NOW * 10**6 + 60_250_000,
    NOW * SECOND + 60_250_000_000,
    MOMENT + datetime.timedelta(minutes=1),
    (MOMENT + datetime.timedelta(minutes=1)).replace(tzinfo=None),
    (MOMENT + datetime.timedelta(minutes=1)).astimezone(datetime.timezone(datetime.timedelta(hours=5))),
    "2027-01-15 08:01:00.250000",
    "2027-01-15T08:01:00.250000+00:00",
    "2027-01-15T08:01:00.250000Z",
    "2027-01-15 08:01:00",
]


@pytest.mark.parametrize("value", IN_A_MINUTE, ids=str)
def test_a_time_is_known_however_it_is_written(value: Any) -> None:
    assert told("UPDATE trials SET ends = ?", value).deadlines == [60]


NO_TIMES = [60, -1, 0.5, True, None, "ann", b"2027-01-15 08:01:00", NOW * 2, "2027-13-45 08:01", 1e300, float("nan")]


@pytest.mark.parametrize("value", NO_TIMES, ids=str)
def test_what_is_no_time(value: Any) -> None:
    assert told("UPDATE locks SET n = ?", value).deadlines == []


@pytest.mark.parametrize(
    ("sql", "values", "ttl"),
    [
        ("UPDATE t SET until = ? WHERE until < ?", (NOW + 60.25, NOW + 0.25), 60),
        ("UPDATE t SET until = ? WHERE until < ?", (NOW + 60.25, NOW - 9.75), 70),  # a margin for wrong clocks
        ("INSERT INTO locks VALUES (?)", (NOW + 60.25,), 60),
        ("UPDATE jobs SET locked_until = ?", (NOW + 60.25,), 60),
        ("UPDATE jobs SET state = 1, at = ? WHERE at < ?", (NOW + 0.25, NOW - 299.75), 300),
        ("UPDATE users SET trial_ends = ?", (NOW + 60.25,), None),  # a deadline, but nobody's lock
        ("UPDATE blocks SET n = ?", (NOW + 60.25,), None),
        ("UPDATE users SET seen = ?", (NOW + 0.25,), None),
        ("UPDATE users SET seen = ?", (NOW - 299.75,), None),
    ],
)
def test_which_statements_take_a_lease(sql: str, values: tuple[float, ...], ttl: float | None) -> None:
    worker = told(sql, *values)
    assert worker.leases == ([] if ttl is None else [("lease:sql:/tmp/app.db/leases", ttl)])


def test_only_who_changes_a_row_takes_a_lease() -> None:
    values = (NOW + 60.25, NOW + 0.25)
    assert told("UPDATE t SET until = ? WHERE until < ?", *values, changed=0).leases == []
    assert told("SELECT 1 FROM t WHERE until < ?", *values, touches=(READ,)).leases == []


def test_to_write_without_a_time_to_come_frees_it() -> None:
    assert told("UPDATE leases SET expires = 0").released == ["lease:sql:/tmp/app.db/leases"]
    assert told("DELETE FROM leases", changed=0).released == []
    assert told("SELECT * FROM leases", touches=(READ,)).released == []


def test_deadlines_of_a_statement() -> None:
    margin = told("UPDATE t SET until = ? WHERE until < ?", NOW + 60.25, NOW - 9.75)
    assert margin.deadlines == [60, 10, 70]
    assert told("UPDATE users SET seen = ?", NOW + 0.25).deadlines == [0]
    assert told("SELECT * FROM t WHERE seen = ?", NOW + 0.25, touches=(READ,)).deadlines == []
    worker: Any = Told()
    note_times(worker, VirtualClock(WALL), "INSERT INTO t VALUES (:at)", [{"at": NOW + 60.25}], (TABLE,), 1)
    assert worker.deadlines == [60]


def test_a_wrong_clock_does_not_show() -> None:
    clock = VirtualClock(WALL)
    clock.skew("A", 5 * SECOND)
    worker: Any = Told()
    note_times(worker, clock, "INSERT INTO locks VALUES (?)", [(NOW + 65.25,)], (TABLE,), 1)
    assert worker.leases == [("lease:sql:/tmp/app.db/leases", 60)]


@pytest.mark.parametrize("fetch", ["fetchone", "fetchall", "fetchmany", "__next__"])
@pytest.mark.parametrize("taken", [True, False])
def test_rows_that_are_returned_tell_whether_any_was_changed(
    tmp_path: Path, watch: Watch, fetch: str, taken: bool
) -> None:
    if sqlite3.sqlite_version_info < (3, 35):
        pytest.skip("this SQLite has no RETURNING")
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE locks (until)")
        db.execute("INSERT INTO locks VALUES (?)", (0 if taken else 3 * 10**18,))
    db.close()

    def job() -> None:
        db = sqlite3.connect(path, isolation_level=None)
        sql = "UPDATE locks SET until = ? WHERE until < ? RETURNING until"
        cursor = db.execute(sql, (2 * 10**18 + 60 * SECOND, 2 * 10**18))
        next(cursor, None) if fetch == "__next__" else getattr(cursor, fetch)()
        db.close()

    clock = watch.clock
    with Frozen(clock, lambda: None):
        clock.reset(2 * 10**18)
        run = watch(job, "+2000000000s A", SQLiteProbe(watch.bindings))
    assert [event.until - event.at for event in run.trace.events if event.detail.startswith("lease:")] == (
        [60 * SECOND] if taken else []
    )


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE leases SET expires = 1800000060.25 WHERE expires < 1800000000", (1800000060.25, 1800000000)),
        ("UPDATE t SET at = 1800000060.25e0", (1800000060.25,)),
        ("UPDATE t SET at = '2027-01-15 08:01:00', b = 'o''clock'", ("2027-01-15 08:01:00",)),
        ("UPDATE t SET at = '2027-01-15T08:01:00+00:00'::timestamptz", ("2027-01-15T08:01:00+00:00",)),
        ("UPDATE t SET note = 'call 1800000060', phone = '1800000060'", ()),
        ("UPDATE t_1800000060 SET b = 1.1800000060, c = 18000000601800000060123", ()),
        ("UPDATE t SET day = '2027-01-15', note = 'at 2027-01-15 08:01:00'", ()),
        ("SELECT 1", ()),
    ],
)
def test_moments_in_a_text(sql: str, values: tuple[object, ...]) -> None:
    assert written_in(sql) == values
