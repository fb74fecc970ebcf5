"""Pools that were filled before the check give workers connections that can be watched."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.conftest import Watch, seen


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
