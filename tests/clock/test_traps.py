"""freezegun's traps: what bites who freezes the time of jobs, and does not bite here.

Those that concern one function are tested beside it: names and ignore lists, references held elsewhere, dates that are
not genuine, pickles, freezes inside each other (`test_freeze.py`, `test_held.py`, `test_datetimes.py`, `test_loop.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from jobchaos import Settings, check
from jobchaos.clock.virtual import VirtualClock
from tests.clock.conftest import Controlled

START = 1_700_000_000_123_456_789
NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)


def test_a_job_right_under_a_thread_sees_one_time_not_two(controlled: Controlled) -> None:
    """Elsewhere freezegun shows real `time.time()` and frozen `datetime.now()` there."""
    read: Callable[[], Any] = lambda: (time.time(), datetime.datetime.now(datetime.timezone.utc).timestamp())  # noqa: E731
    seconds, moment = controlled(read, VirtualClock(START))
    assert seconds == START / 10**9
    assert abs(seconds - moment) < 2e-6


def test_monotonic_never_goes_back_from_run_to_run(controlled: Controlled) -> None:
    clock = VirtualClock(START)
    seen = []
    for _ in range(3):
        seen.append(controlled(time.monotonic, clock))
        clock.advance(10**9)
        seen.append(controlled(time.monotonic, clock))
        clock.reset(START)
    assert all(one <= other for one, other in zip(seen[::2], seen[1::2], strict=True))


def test_waits_of_uncontrolled_threads_end(controlled: Controlled) -> None:
    """`Queue.get(timeout)`, `Event.wait` and `Timer` hang, or never fire, if their clock stands still."""
    fired = threading.Event()
    with controlled.frozen(VirtualClock(START)), ThreadPoolExecutor(1) as elsewhere:
        timer = threading.Timer(0.001, fired.set)
        timer.start()
        assert elsewhere.submit(fired.wait, 30).result()
        timer.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timers")
def test_signal_timers_run_in_real_time(controlled: Controlled) -> None:
    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    try:
        with controlled.frozen(VirtualClock(START)):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            # Not in one wait: a signal that comes just before it would be handled after it only.
            assert any(rung.wait(0.01) for _ in range(3000))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_deadline_of_hypothesis_measures_real_time(tmp_path: Path) -> None:
    """With a frozen clock it never fires; with one that jumps for three days it always does."""

    @settings(max_examples=2, deadline=20_000, database=None)
    @given(st.integers(0, 1))
    def runs(number: int) -> None:
        path = tmp_path / f"{number}.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")

        def job() -> None:
            time.sleep(3 * 24 * 3600)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("INSERT OR IGNORE INTO t VALUES (1)")

        assert check(job, faults=["duplicate"], settings=Settings(profile="quick", now=NOON)).status == "holds"

    runs()


def test_a_database_binds_virtual_dates_and_gives_genuine_ones(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.DateTime))
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    kinds: set[type] = set()

    def job() -> None:
        own = sa.create_engine(f"sqlite:///{path}")
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        with own.begin() as connection:
            connection.execute(sa.delete(table))
            connection.execute(sa.insert(table).values(id=1, at=now))
            kinds.add(type(connection.execute(sa.select(table.c.at)).scalar_one()))
        own.dispose()

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick", now=NOON))
    assert verdict.status == "holds", verdict.findings
    with engine.connect() as connection:
        assert connection.execute(sa.select(table.c.at)).scalar_one() == NOON.replace(tzinfo=None)
    engine.dispose()
    assert {kind.__name__ for kind in kinds} == {"datetime"}


def test_file_times_stay_real_and_sqlites_clock_is_virtual(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    years: set[tuple[int, int]] = set()

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT OR IGNORE INTO t VALUES (1)")
            (year,) = db.execute("SELECT strftime('%Y', 'now')").fetchone()
        years.add((int(year), time.gmtime(path.stat().st_mtime).tm_year))

    check(job, faults=["duplicate"], settings=Settings(profile="quick", now=NOON.replace(year=2099)))
    assert years == {(2099, time.gmtime().tm_year)}


def test_uvloop_which_waits_in_c_is_told_instead_of_waited_for(tmp_path: Path) -> None:
    """Its timers are real: an hour would be one. Only Python's own event loops jump to their next timer."""
    uvloop = pytest.importorskip("uvloop")
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    loop = uvloop.new_event_loop()

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT OR IGNORE INTO t VALUES (1)")
            with contextlib.suppress(RuntimeError):  # it is stopped, below
                loop.run_until_complete(asyncio.sleep(3600))

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick", guard=0.2))
    loop.call_soon_threadsafe(loop.stop)
    (finding,) = verdict.findings
    assert (verdict.status, finding.code) == ("inconclusive", "JC904")
    assert "stuck in C code" in finding.message


class Base(DeclarativeBase):
    """Models of SQLAlchemy, which keeps the functions of their defaults."""


class Stamp(Base):
    """As in countless applications."""

    __tablename__ = "stamps"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(default=datetime.datetime.now)


def test_defaults_of_columns_are_in_virtual_time(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()

    def job() -> None:
        with Session(sa.create_engine(engine.url, poolclass=sa.NullPool)) as session:
            if session.get(Stamp, 1) is None:
                session.add(Stamp(id=1))
            session.commit()

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick", now=NOON))
    assert verdict.status == "holds", verdict.findings
    with Session(engine) as session:
        assert [stamp.at.year for stamp in session.scalars(sa.select(Stamp))] == [NOON.year]
    engine.dispose()


def test_trio_measures_the_real_time_that_it_waits(controlled: Controlled) -> None:
    """Its event loop would turn for ever, as no time passes while it waits."""
    namespace: dict[str, Any] = {"__name__": "trio._core._run"}
    exec("import time\ndef now(): return time.perf_counter()", namespace)
    assert controlled(namespace["now"], VirtualClock(START)) != controlled(time.perf_counter, VirtualClock(START))
