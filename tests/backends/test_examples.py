"""The examples on real servers: sign-up mail and orders, in each of their stages, with what they promise."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg
import pytest
import redis

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.backends import shop as jobs
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases
from tests.backends.shop import Session, Shop
from tests.backends.site import Site
from tests.probes.servers import mail_server, web_server

__all__ = ["mysql_databases"]
Sessions = Callable[[], contextlib.AbstractContextManager[Session]]


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    with mail_server() as mailbox, web_server() as payments:
        yield mailbox.port, payments.server_port


@pytest.fixture(scope="module")
def postgres_dsn(new_postgres: Create) -> str:
    return new_postgres("examples")


@pytest.fixture
def on_postgres(postgres_dsn: str) -> Sessions:
    with psycopg.connect(postgres_dsn, autocommit=True) as db:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *jobs.SCHEMA):
            db.execute(statement)
    return jobs.on_sql(Site("postgres", lambda: psycopg.connect(postgres_dsn, autocommit=True)))


@pytest.fixture
def on_mariadb(mysql_databases: tuple[Database, Database]) -> Sessions:
    database, _ = mysql_databases
    database.reset(*jobs.SCHEMA)
    return jobs.on_sql(Site("mysql", lambda: database.connect(autocommit=True)))


@pytest.fixture
def on_redis(jobchaos_redis: str) -> Sessions:
    @contextlib.contextmanager
    def session() -> Iterator[Session]:
        with redis.Redis.from_url(jobchaos_redis, decode_responses=True) as client:
            yield jobs.RedisSession(client)

    with redis.Redis.from_url(jobchaos_redis) as client:
        jobs.set_up_redis(client)
    return session


@pytest.fixture(params=["on_postgres", pytest.param("on_mariadb", marks=pytest.mark.thorough), "on_redis"])
def shop(request: pytest.FixtureRequest, ports: tuple[int, int]) -> Shop:
    return Shop(request.getfixturevalue(request.param), *ports)


EXPECTED: list[tuple[Callable[[Shop], None], dict[str, str]]] = [
    (jobs.mails_without_a_guard, {"JC101": "A A", "JC201": "A B", "JC301": "A2!kill A", "JC501": "A1!lost"}),
    (jobs.mails_under_a_lock, {"JC301": "A3!kill A", "JC501": "A2!lost"}),
    (jobs.mails_from_an_outbox, {}),
    (jobs.charges_then_records, {"JC201": "A1 B A", "JC301": "A2!kill A", "JC501": "A1!lost"}),
    (jobs.charges_by_a_key, {}),
]


@pytest.mark.parametrize(("job", "expected"), EXPECTED, ids=lambda value: getattr(value, "__name__", ""))
def test_an_example_gets_the_verdict_it_promises(
    shop: Shop, job: Callable[[Shop], None], expected: dict[str, str]
) -> None:
    def run() -> None:
        job(shop)

    faults = ["duplicate", "concurrent", "crash", "retry"]
    verdict = check(run, faults=faults, settings=Settings(profile="quick"))
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert found == expected
