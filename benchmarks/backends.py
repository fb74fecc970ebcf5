"""The reference job on each backend: one schedule, and restore and digest apart, in databases that grow."""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks import redis_reference, reference, sql_reference, timing
from jobchaos import check, servers
from jobchaos.core.address import Address
from jobchaos.core.events import Event, ScheduleRun
from jobchaos.core.ports import Store
from jobchaos.core.settings import Settings
from jobchaos.stores.redis import RedisStore
from jobchaos.stores.sqlite import SQLiteStore

SIZES = (10, 1_000, 10_000, 100_000)
"""Rows of the table that the job reads and writes; and of one that it does not touch."""
_ROUNDS = 9
_MOST = 30  # schedules


class Row(NamedTuple):
    """One line of the table; times in milliseconds.

    Attributes:
        backend: Its name.
        database: What grows in it.
        schedule: One schedule of two copies that overlap.
        by_hand: The job twice, each in a fresh thread, between restore and digest.
        apart: Restore and digest alone.
        goal: What a schedule should take, in a small database on an idle machine.
    """

    backend: str
    database: str
    schedule: float
    by_hand: float
    apart: float
    goal: str


@dataclass(frozen=True)
class Backend:
    """One kind of database.

    Attributes:
        name: Its name.
        goal: Milliseconds that one schedule should take, in a small database.
        job: The reference job, on it.
        fill: Makes the tables anew: takes the rows of the touched tables, and of the other one.
        store: Makes a store of the database, which knows which tables the job writes to.
    """

    name: str
    goal: float
    job: Callable[[], None]
    fill: Callable[[int, int], None]
    store: Callable[[], Store]


def rows() -> Iterator[Row]:
    """All backends that are there, each with all sizes."""
    with TemporaryDirectory(dir=timing.in_memory()) as folder, contextlib.ExitStack() as stack:
        sql = (sql_reference.on_postgres(stack), sql_reference.on_mariadb(stack))
        found = [Backend(*parts) for parts in sql if parts is not None]
        for backend in (_sqlite(Path(folder)), *found, _redis(stack)):
            for size in SIZES:
                for grown, sizes in (("touched tables", (size, 10)), ("another table", (10, size))):
                    if grown == "another table" and size == SIZES[0]:
                        continue
                    backend.fill(*sizes)
                    goal = f"<= {backend.goal:g}" if size == SIZES[0] else ""
                    schedule = _per_schedule(backend.job)
                    backend.fill(*sizes)  # a check leaves what the job has done: by hand it would do nothing
                    yield Row(backend.name, f"{size} rows, {grown}", schedule, *_by_hand(backend), goal)


def _per_schedule(job: Callable[[], None]) -> float:
    gaps: list[float] = []
    last: list[float] = []

    def listen(event: Event) -> None:
        now = timing._clock[0]()
        if isinstance(event, ScheduleRun):
            if last:
                gaps.append((now - last.pop()) * 1000)
            last.append(now)
        else:
            last.clear()

    # Overlaps only: a crash that leads to a known state is not run at all, and would make the median look better.
    settings = Settings(profile="quick", isolation="thread", budget=_MOST)
    check(job, faults=["concurrent"], settings=settings, listener=listen)
    return statistics.median(gaps)


def _by_hand(backend: Backend) -> tuple[float, float]:
    """Median time of two runs of the job by hand, restore and digest included; and of these two alone."""
    store = backend.store()

    def twice() -> None:
        for _ in range(2):
            thread = threading.Thread(target=backend.job)
            thread.start()
            thread.join()

    pairs = []
    try:
        for _ in range(_ROUNDS):
            jobs = timing.milliseconds(twice, 1)
            apart = timing.milliseconds(lambda: (store.restore(), store.snapshot()), 1)
            pairs.append((jobs + apart, apart))
    finally:
        store.close()
    return statistics.median(whole for whole, _ in pairs), statistics.median(apart for _, apart in pairs)


def _sqlite(folder: Path) -> Backend:
    def fill(touched: int, other: int) -> None:
        (folder / "test-reference.db").unlink(missing_ok=True)
        reference.prepare(folder)
        with contextlib.closing(sqlite3.connect(reference.database)) as db:
            db.executemany("INSERT INTO orders VALUES (?, 'new')", ((number,) for number in range(10, touched)))
            db.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, text TEXT)")
            db.executemany("INSERT INTO other VALUES (?, 'row')", ((number,) for number in range(other)))
            db.commit()

    def store() -> Store:
        made = SQLiteStore(reference.database)
        made.capture()
        return made

    return Backend("SQLite", 1.0, reference.job, fill, store)


def _redis(stack: contextlib.ExitStack) -> Backend:
    url = stack.enter_context(servers.redis())
    database = f"redis:{url.split('/')[2]}/0"

    def store() -> Store:
        made = RedisStore(Address(database, url.rpartition("/")[0]))
        made.capture()
        for key in redis_reference.USED:
            made.announce(f"{database}/{key}")
        return made

    return Backend(
        "Redis", 3.0, redis_reference.job, lambda used, others: redis_reference.prepare(url, used, others), store
    )
