"""A job's user may be somebody who may do little: what is enough for a check, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from jobchaos.errors import UsageError
from jobchaos.stores.postgres import PostgresStore
from tests.backends.conftest import Create
from tests.backends.test_postgres_store import SCHEMA, run


@dataclass
class Poor:
    """A database, and a role of the same name that has no privileges.

    Attributes:
        dsn: As the superuser.
        own: As the role.
        name: Of both.
    """

    dsn: str
    own: str
    name: str


@pytest.fixture
def poor(new_postgres: Create) -> Iterator[Poor]:
    dsn = new_postgres("poor")
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    run(dsn, f"CREATE ROLE {name} LOGIN")
    yield Poor(dsn, psycopg.conninfo.make_conninfo(dsn, user=name), str(name))
    run(dsn, f"DROP OWNED BY {name}; DROP ROLE {name}")


def owning(poor: Poor, schema: str) -> None:
    run(poor.dsn, f"GRANT ALL ON DATABASE {poor.name} TO {poor.name}; GRANT ALL ON SCHEMA public TO {poor.name}")
    run(poor.own, schema)


def using(poor: Poor, schema: str) -> None:
    run(poor.dsn, f"GRANT CREATE ON DATABASE {poor.name} TO {poor.name}; {schema}")
    run(poor.dsn, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {poor.name}")
    run(poor.dsn, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {poor.name}")


def require_restored(own: str, change: str) -> None:
    store = PostgresStore(own)
    store.capture()
    before = store.snapshot()
    run(own, change)
    assert not store.snapshot().same_as(before)
    store.restore()
    assert store.snapshot().same_as(before)
    store.close()


def refusal(own: str) -> str:
    store = PostgresStore(own)
    with pytest.raises(UsageError) as caught:
        store.capture()
    store.close()
    return str(caught.value)


def test_without_privileges_ones_own_tables_come_back(poor: Poor) -> None:
    owning(poor, SCHEMA)
    require_restored(
        poor.own, "DELETE FROM billing.odd; UPDATE users SET name = 'eve'; INSERT INTO flats (owner) VALUES (1)"
    )


def test_tables_that_inherit_keep_their_own_rows(poor: Poor) -> None:
    owning(poor, "CREATE TABLE parents (id serial PRIMARY KEY, n int); CREATE TABLE kids (age int) INHERITS (parents)")
    run(poor.own, "INSERT INTO parents (n) VALUES (0); INSERT INTO kids (n, age) VALUES (0, 5)")
    require_restored(poor.own, "UPDATE parents SET n = n + 1")
    with psycopg.connect(poor.own) as connection:
        assert connection.execute("SELECT id FROM ONLY parents").fetchall() == [(1,)]
        assert connection.execute("SELECT id, n, age FROM kids").fetchall() == [(2, 0, 5)]


def test_tables_of_others_come_back_as_well(poor: Poor) -> None:
    using(
        poor,
        "CREATE TABLE users (id serial PRIMARY KEY); CREATE TABLE notes (id int REFERENCES users);"
        "INSERT INTO users DEFAULT VALUES; INSERT INTO notes VALUES (1); CREATE TABLE maps (id int)",
    )
    run(poor.dsn, f"REVOKE ALL ON maps FROM {poor.name}")
    require_restored(poor.own, "INSERT INTO users DEFAULT VALUES; DELETE FROM notes")


def test_without_the_right_to_create_a_schema_that_is_said(poor: Poor) -> None:
    assert "may not create a schema" in refusal(poor.own)
    assert "GRANT CREATE ON DATABASE" in refusal(poor.own)


def test_rows_that_are_hidden_are_said(poor: Poor) -> None:
    using(poor, "CREATE TABLE users (id int); CREATE TABLE log (id int)")
    run(poor.dsn, "ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    run(poor.dsn, f"REVOKE SELECT ON log FROM {poor.name}")
    assert "rows of log, users are hidden from the job's user" in refusal(poor.own)


def test_triggers_of_others_are_said(poor: Poor) -> None:
    using(poor, SCHEMA)
    assert "users belongs to another role than the job's user" in refusal(poor.own)


def test_what_the_user_may_not_bring_back_is_said_with_where_the_rows_are(poor: Poor) -> None:
    using(poor, "CREATE TABLE log (id int); INSERT INTO log VALUES (1)")
    run(poor.dsn, f"REVOKE DELETE ON log FROM {poor.name}")
    store = PostgresStore(poor.own)
    store.capture()
    run(poor.own, "INSERT INTO log VALUES (2)")
    with pytest.raises(UsageError, match=r"may not bring back .*permission denied.*kept: log in (\S+) where") as caught:
        store.restore()
    store.close()
    with psycopg.connect(poor.dsn) as connection:
        place = str(caught.value).partition("kept: log in ")[2].partition(" where")[0]
        assert connection.execute(f"SELECT count(*) FROM {place}").fetchone() == (1,)
