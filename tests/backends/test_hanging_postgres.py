"""PostgreSQL that does not answer, simulated: what psycopg and psycopg2 raise then is what they raise in earnest."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import psycopg2
import pytest

from jobchaos.checking import check
from jobchaos.core.finding import Finding
from jobchaos.core.ports import Probe
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.trace import Happening
from jobchaos.core.verdict import Verdict
from jobchaos.probes.psycopg import PsycopgProbe
from jobchaos.probes.psycopg2 import Psycopg2Probe
from jobchaos.probes.server_limits import Limits
from tests.backends.conftest import Create
from tests.probes.conftest import Watch, watch

__all__ = ["watch"]
DRIVERS: list[Any] = [psycopg, psycopg2]
SECOND = 10**9


@pytest.fixture(scope="module")
def dsn(new_postgres: Create) -> str:
    dsn = new_postgres("hanging")
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, status text)")
        connection.execute("INSERT INTO orders VALUES (7, 'new')")
        connection.execute("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' RESET ALL'; END $$")
    return psycopg.conninfo.make_conninfo(dsn, connect_timeout=3)


@contextlib.contextmanager
def somebody_holds_the_order(dsn: str) -> Iterator[None]:
    with psycopg.connect(dsn) as holder:
        holder.execute("UPDATE orders SET status = 'new' WHERE id = 7")
        yield


def marks_done(driver: Any, dsn: str, *before: str, **options: Any) -> None:
    with contextlib.closing(driver.connect(dsn, **options)) as db, db.cursor() as cursor:
        for statement in before:
            cursor.execute(statement)
        cursor.execute("UPDATE orders SET status = 'done' WHERE id = 7")
        db.commit()


def checked(job: Callable[[], object], within: float | None = 30) -> Verdict:
    return check(job, faults=["timeout"], settings=Settings(profile="quick", within=within, isolation="thread"))


def told(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.code, str(finding.schedule)) for finding in verdict.findings if finding.gates]


def raised(finding: Finding) -> list[str]:
    assert finding.trace is not None
    return [event.detail for event in finding.trace.events if event.happening is Happening.RAISED]


def really(call: Callable[[], object]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
        call()
    return f"{type(caught.value).__name__}: {first_line(caught.value)}"


def first_line(error: BaseException) -> str:
    return str(error).split("\n", maxsplit=1)[0]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_statement_without_a_limit_is_found_with_what_to_set(dsn: str, driver: Any) -> None:
    (finding,) = checked(lambda: marks_done(driver, dsn)).findings
    assert (finding.code, str(finding.schedule)) == ("JC401", "A1!hang")
    assert "does not answer UPDATE orders: no timeout at test_hanging_postgres.py:" in finding.message
    assert finding.fix.startswith(
        f'statement_timeout, as in {driver.__name__}.connect(..., options="-c statement_timeout=...") in milliseconds '
        "at test_hanging_postgres.py:"
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_limit_that_is_longer_than_the_job_may_take(dsn: str, driver: Any) -> None:
    verdict = checked(lambda: marks_done(driver, dsn, options="-c statement_timeout=1min"))
    assert ("JC402", "A1!hang") in told(verdict)
    assert "waits 60 s when" in verdict.findings[0].message


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("before", "options"),
    [
        ((), "-c statement_timeout=10000"),
        (("SET statement_timeout = '10s'",), ""),
        (("SET LOCAL statement_timeout TO 10000",), ""),
        (("SELECT set_config('statement_timeout', '10s', false)",), "-c statement_timeout=11s"),
        ((), "-c statement_timeout=10000 -c lock_timeout=2000"),
    ],
)
def test_with_a_limit_it_holds_wherever_that_is_set(
    dsn: str, driver: Any, before: tuple[str, ...], options: str
) -> None:
    verdict = checked(lambda: marks_done(driver, dsn, *before, options=options))
    assert verdict.status == "holds", verdict.findings


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("token", "kept"), [("A1!hang", "statement_timeout"), ("A1!hang2", "lock_timeout")])
def test_the_error_is_the_one_of_a_server_that_really_does_not_answer(
    dsn: str, driver: Any, token: str, kept: str
) -> None:
    def job(unit: str = "s") -> None:
        options = f"-c statement_timeout=40{unit}" + (f" -c lock_timeout=20{unit}" if kept == "lock_timeout" else "")
        with contextlib.closing(driver.connect(dsn, options=options)) as db, db.cursor() as cursor:
            try:
                cursor.execute("UPDATE orders SET status = 'done' WHERE id = 7")
            except driver.Error as error:
                then = really(lambda: cursor.execute("SELECT 1"))
                raise RuntimeError(f"{type(error).__name__}: {first_line(error)}, then {then}") from error
            db.commit()

    settings = Settings(profile="quick", within=1, isolation="thread")
    verdict = check(job, faults=["timeout"], settings=settings, schedule=Schedule.parse(token))
    (finding,) = [each for each in verdict.findings if each.gates]
    with somebody_holds_the_order(dsn):
        real = really(functools.partial(job, "ms"))
    assert raised(finding) == [real]
    assert f"canceling statement due to {kept.replace('_', ' ')}, then InFailedSqlTransaction: " in real
    assert f"waits {20 if kept == 'lock_timeout' else 40} s when" in finding.message


@pytest.fixture(params=["tcp", "unix"])
def silent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The DSN of a server that accepts connections, and says nothing."""
    if request.param == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield f"host=127.0.0.1 port={server.getsockname()[1]} user=x dbname=x"
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / ".s.PGSQL.5432"))
            server.listen()
            yield f"host={tmp_path} port=5432 user=x dbname=x"


def connecting(watch: Watch, call: Callable[[], object], probe: Probe) -> list[tuple[int, str]]:
    """What connecting to somebody silent comes to in the first attempt; a second one would wait in earnest."""
    attempts: list[None] = []

    def job() -> None:
        attempts.append(None)
        if len(attempts) == 1:
            call()

    events = watch(job, "A0!hang", probe).trace.events
    return [(event.at // SECOND, event.detail.rstrip()) for event in events if event.happening is Happening.RAISED]


def test_psycopg_gives_up_connecting_as_it_does_in_earnest(
    watch: Watch, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect() -> None:
        psycopg.connect(silent, connect_timeout=3)

    simulated = connecting(watch, connect, PsycopgProbe())
    monkeypatch.setattr("psycopg.connection.timeout_from_conninfo", lambda _: 0.02)  # it takes no less than two seconds
    assert simulated == [(3, really(connect))]


def test_psycopg2_gives_up_connecting_as_it_does_in_earnest(watch: Watch, silent: str) -> None:
    def connect() -> None:
        psycopg2.connect(silent, connect_timeout=1)

    assert connecting(watch, connect, Psycopg2Probe(watch.bindings)) == [(1, really(connect))]


def test_libpq_waits_by_itself_while_psycopg2_connects(watch: Watch, dsn: str) -> None:
    """Told how to wait, it would forget `connect_timeout` where a server is silent in earnest."""
    waiting: list[object] = []

    class Connection(psycopg2.extensions.connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            waiting.append(psycopg2.extensions.get_wait_callback())

    def job() -> None:
        with contextlib.closing(psycopg2.connect(dsn, connection_factory=Connection)) as connection:
            waiting.append(psycopg2.extensions.get_wait_callback())
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")

    assert watch(job, "A", Psycopg2Probe(watch.bindings)).completed
    assert waiting[0] is None
    assert waiting[1] is not None


def test_connecting_may_take_too_long(dsn: str) -> None:
    finding = checked(lambda: marks_done(psycopg, dsn, options="-c statement_timeout=1s"), within=2).findings[0]
    assert (finding.code, str(finding.schedule)) == ("JC402", "A0!hang")
    assert "waits 3 s when" in finding.message
    assert finding.fix.startswith("a shorter timeout: psycopg.connect(..., connect_timeout=...)")


def test_psycopg2_connects_without_a_limit(dsn: str) -> None:
    unlimited = psycopg.conninfo.make_conninfo(dsn, connect_timeout=0)
    (finding,) = checked(lambda: marks_done(psycopg2, unlimited, options="-c statement_timeout=1s")).findings
    assert (finding.code, str(finding.schedule)) == ("JC401", "A0!hang")
    assert "accepts no connection: no timeout at" in finding.message
    assert finding.fix.startswith("psycopg2.connect(..., connect_timeout=...) at test_hanging_postgres.py:")


async def marks_done_later(dsn: str, within: float | None, **options: Any) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, **options) as db:
        await asyncio.wait_for(db.execute("UPDATE orders SET status = 'done' WHERE id = 7"), within)


def test_a_coroutine_without_a_limit_is_found(dsn: str) -> None:
    async def job() -> None:
        await marks_done_later(dsn, None)

    (finding,) = checked(job).findings
    assert (finding.code, str(finding.schedule)) == ("JC401", "A1!hang")


@pytest.mark.parametrize(
    ("within", "options"), [(None, "-c statement_timeout=10s"), (10, ""), (5, "-c lock_timeout=4s")]
)
def test_a_coroutine_may_limit_itself(dsn: str, within: float | None, options: str) -> None:
    async def job() -> None:
        await marks_done_later(dsn, within, options=options)

    verdict = checked(job)
    assert verdict.status == "holds", verdict.findings


def test_a_coroutines_connection_can_be_used_after_its_own_timer_has_struck(dsn: str) -> None:
    """What nobody waits for any more psycopg has cancelled."""

    async def job() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as db:
            try:
                await asyncio.wait_for(db.execute("UPDATE orders SET status = 'done' WHERE id = 7"), 5)
            except asyncio.TimeoutError:
                if db.info.transaction_status is not psycopg.pq.TransactionStatus.INERROR:
                    return  # found as an incomplete state
                await db.rollback()
                await db.execute("SET LOCAL statement_timeout = '5s'")
                await db.execute("UPDATE orders SET status = 'done' WHERE id = 7")

    verdict = checked(job)
    assert verdict.status == "holds", verdict.findings


@pytest.mark.parametrize(
    ("sql", "lock", "statement"),
    [
        ("SET lock_timeout = 20", 20, 5),
        ("SET SESSION statement_timeout TO '2min'", 10, 120_000),
        ("SET LOCAL statement_timeout = '1.5s'", 10, 1500),
        ("SET lock_timeout TO DEFAULT", 10, 5),
        ("SELECT set_config('lock_timeout', '3', true)", 3, 5),
        ("SELECT 'lock_timeout'", 10, 5),
        ("RESET ALL", 10, 5),
    ],
)
def test_what_a_session_sets_is_read(sql: str, lock: int, statement: int) -> None:
    limits = Limits(10, 5)
    limits.read(sql)
    assert (limits.lock, limits.statement) == (lock, statement)


def test_what_is_set_for_a_transaction_ends_with_it() -> None:
    limits = Limits(10, 5)
    limits.read("SET lock_timeout = 2")
    limits.read("SET LOCAL lock_timeout = 1")
    assert (limits.first, limits.lock_is_first) == (1, True)
    limits.transaction_over()
    assert limits.first == 2
    limits.read("RESET lock_timeout")
    assert (limits.first, limits.lock_is_first) == (5, False)
