"""The reference job on each backend: one schedule, and restore and digest apart, in databases that grow."""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import redis_reference, reference, timing
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

Row = tuple[str, str, float, float, str]


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
    """Backend, what grows, ms per schedule, ms to restore and digest, goal."""
    with TemporaryDirectory(dir=timing.in_memory()) as folder, contextlib.ExitStack() as stack:
        for backend in (_sqlite(Path(folder)), *_postgres(stack), _redis(stack)):
            for size in SIZES:
                for grown, sizes in (("touched tables", (size, 10)), ("another table", (10, size))):
                    if grown == "another table" and size == SIZES[0]:
                        continue
                    backend.fill(*sizes)
                    goal = f"<= {backend.goal:g}" if size == SIZES[0] else ""
                    yield backend.name, f"{size} rows, {grown}", _per_schedule(backend.job), _apart(backend), goal


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


def _apart(backend: Backend) -> float:
    """Median time to bring back what one run of the job has changed, and to read what there is then."""
    store = backend.store()
    times = []
    try:
        for _ in range(_ROUNDS):
            backend.job()
            times.append(timing.milliseconds(lambda: (store.restore(), store.snapshot()), 1))
    finally:
        store.close()
    return statistics.median(times)


# --- SQLite ----------------------------------------------------------------------------------------------------------


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


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

_POSTGRES = """
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE idem (key TEXT PRIMARY KEY, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT NOT NULL);
CREATE TABLE http (key TEXT PRIMARY KEY, cents INTEGER NOT NULL);
CREATE TABLE ledger (order_id INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
CREATE TABLE stock (item TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE mails (order_id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE other (id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO idem SELECT 'key-' || i, 1 FROM generate_series(0, 9) i;
INSERT INTO orders SELECT i, 'new' FROM generate_series(0, {touched} - 1) i;
INSERT INTO http SELECT 'key-' || i, 100 FROM generate_series(0, 9) i;
INSERT INTO ledger SELECT -1 - i, 100 FROM generate_series(0, 9) i;
INSERT INTO stock SELECT 'item-' || i, 5 FROM generate_series(0, 9) i;
INSERT INTO mails SELECT -1 - i, 'old' FROM generate_series(0, 9) i;
INSERT INTO other SELECT i, 'row' FROM generate_series(0, {other} - 1) i;
ANALYZE
"""
_STATEMENTS = (
    "SELECT done FROM idem WHERE key = 'order-1'",
    "SELECT status FROM orders WHERE id = 1",
    "UPDATE orders SET status = 'paid' WHERE id = 1",
    "INSERT INTO idem (key) VALUES ('order-1') ON CONFLICT DO NOTHING",
    "INSERT INTO http VALUES ('order-1', 4200) ON CONFLICT DO NOTHING",
    "INSERT INTO ledger VALUES (1, 4200) ON CONFLICT DO NOTHING",
    "SELECT count FROM stock WHERE item = 'item-1'",
    "UPDATE stock SET count = 4 WHERE item = 'item-1'",
    "INSERT INTO mails VALUES (1, 'thank you') ON CONFLICT DO NOTHING",
    "UPDATE orders SET status = 'paid' WHERE id = 1",
)


def _postgres(stack: contextlib.ExitStack) -> Iterator[Backend]:
    try:
        import psycopg

        from jobchaos.errors import MissingExtraError
        from jobchaos.servers import postgres
        from jobchaos.stores.postgres import PostgresStore

        dsn = stack.enter_context(postgres())
    except (ImportError, MissingExtraError):
        return

    def job() -> None:
        with psycopg.connect(dsn, autocommit=True) as db:
            for statement in _STATEMENTS:
                db.execute(statement)

    def fill(touched: int, other: int) -> None:
        with psycopg.connect(dsn) as db:
            db.execute(_POSTGRES.format(touched=touched, other=other))

    def store() -> Store:
        made = PostgresStore(dsn, resource="sql:reference")
        made.capture()
        for table in ("orders", "idem", "http", "ledger", "stock", "mails"):
            made.announce(f"sql:reference/{table}")
        return made

    yield Backend("PostgreSQL", 8.0, job, fill, store)


# --- Redis -----------------------------------------------------------------------------------------------------------


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
