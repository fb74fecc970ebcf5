"""Workers get connections of their own, whatever a pool holds; all of SQLAlchemy's ways to a database are seen."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import aiosqlite
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from jobchaos.probes.aiosqlite import AiosqliteProbe
from jobchaos.probes.spawn import SpawnProbe
from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.conftest import Watch, effects, seen


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    return engine


def test_a_pooled_connection_from_before_is_replaced(watch: Watch, engine: sa.Engine) -> None:
    def job() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))

    run = watch(job, "A B", SQLiteProbe(watch.bindings), SQLAlchemyProbe())
    assert seen(run) == ["INSERT INTO t VALUES (1) 1 row", "COMMIT"] * 2
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 2
    engine.dispose()


def test_the_pool_serves_the_test_itself_during_and_after_a_check(watch: Watch, engine: sa.Engine) -> None:
    watch(lambda: None, "A", SQLiteProbe(watch.bindings), SQLAlchemyProbe())
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
    engine.dispose()


def test_nothing_listens_afterwards(watch: Watch, engine: sa.Engine) -> None:
    probe = SQLAlchemyProbe()
    watch(lambda: None, "A", probe)
    assert not sa.event.contains(sa.pool.Pool, "checkout", probe._checkout)
    engine.dispose()


class Base(DeclarativeBase):
    pass


class Number(Base):
    __tablename__ = "numbers"

    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


@pytest.fixture
def numbers(tmp_path: Path) -> str:
    path = tmp_path / "numbers.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return str(path)


def with_core(path: str) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(sa.insert(Number), {"n": 1})
        connection.execute(sa.update(Number).where(Number.id == 1).values(n=2))
    engine.dispose()


def with_the_orm(path: str) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        number = Number(n=1)
        session.add(number)
        session.flush()
        number.n = 2
        session.commit()
    engine.dispose()


def with_the_async_orm(path: str) -> None:
    async def job() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        async with AsyncSession(engine) as session:
            number = Number(n=1)
            session.add(number)
            await session.flush()
            number.n = 2
            await session.commit()
        await engine.dispose()

    asyncio.run(job())


def with_aiosqlite_itself(path: str) -> None:
    async def job() -> None:
        async with aiosqlite.connect(path) as db:
            await db.execute("INSERT INTO numbers (n) VALUES (?)", (1,))
            await db.execute("UPDATE numbers SET n=? WHERE numbers.id = ?", (2, 1))
            await db.commit()

    asyncio.run(job())


@pytest.mark.parametrize("job", [with_core, with_the_orm, with_the_async_orm, with_aiosqlite_itself])
@pytest.mark.parametrize("token", ["A", "A1!kill A", "A2!kill A"])
def test_every_way_to_a_database_is_the_same(
    watch: Watch, numbers: str, job: Callable[[str], None], token: str
) -> None:
    probes = SQLiteProbe(watch.bindings), SQLAlchemyProbe(), AiosqliteProbe(), SpawnProbe(watch.bindings)
    run = watch(lambda: job(numbers), token, *probes)
    assert run.oddities == ()
    assert len(seen(run)) == 3 + int(token[1:2] or 0)  # what is done to a new connection is no step
    assert seen(run)[-3:] == [
        "INSERT INTO numbers (n) VALUES (1) 1 row",
        "UPDATE numbers SET n=2 WHERE numbers.id = 1 1 row",
        "COMMIT",
    ]
    assert {effect.site.file for effect in effects(run) if effect.site} == {__file__}
    assert all(effect.site for effect in effects(run))
    db = sqlite3.connect(numbers)
    assert db.execute("SELECT n FROM numbers").fetchall() == [(2,)]  # what was killed is rolled back
    db.close()


def test_nobody_gets_a_connection_that_another_worker_has_used(watch: Watch, engine: sa.Engine) -> None:
    def job() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TEMPORARY TABLE mine (n INTEGER)"))  # stays with the connection

    run = watch(job, "A A B", SQLiteProbe(watch.bindings), SQLAlchemyProbe())
    assert run.completed
    assert all(copy.attempts == 2 or copy.error == "" for copy in run.copies.values())
    engine.dispose()


def test_what_a_worker_leaves_in_a_pool_is_closed(watch: Watch, engine: sa.Engine) -> None:
    used: list[sqlite3.Connection] = []

    def job() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
            assert connection.connection.driver_connection is not None
            used.append(connection.connection.driver_connection)

    watch(job, "A B", SQLiteProbe(watch.bindings), SQLAlchemyProbe())
    assert len(used) == 2
    for connection in used:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            sqlite3.Connection.execute(connection, "SELECT 1")
    engine.dispose()
