"""The store brings back whatever a job may do to a PostgreSQL database, and refuses or says what it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from jobchaos.errors import LossError, UnsafeRestoreError, UsageError
from jobchaos.stores.postgres import PostgresStore
from tests.backends.conftest import Create

SCHEMA = """
CREATE SCHEMA billing;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, boss int REFERENCES users (id), flat int);
CREATE TABLE flats (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int REFERENCES users (id) ON DELETE CASCADE,
    size int, double int GENERATED ALWAYS AS (size * 2) STORED);
ALTER TABLE users ADD FOREIGN KEY (flat) REFERENCES flats (id);
CREATE TABLE billing.odd (m mood, a int[], j json, b jsonb, x bytea, n numeric, t timestamptz, p point, d date,
    f float8, u uuid, "Weird ""name" box, i inet, r int4range, flag boolean);
CREATE TABLE log (line text);
CREATE TABLE prices (amount numeric PRIMARY KEY, note json, place point);
INSERT INTO prices VALUES (1.0, '{"a": 1}', '(1,2)'), (2.0, NULL, NULL);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END';
CREATE TRIGGER noting AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO users (name) VALUES ('ann'), ('bob');
INSERT INTO flats (owner, size) VALUES (1, 10), (2, 20);
UPDATE users SET flat = id, boss = 1;
INSERT INTO billing.odd VALUES ('sad', '{1,2,NULL}', '{"a": 1}', '{"a": 1}', '\\xdeadbeef', 1.50, '2026-01-01 12:00+02',
    '(1,2)', '2026-01-01', 0.1, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '(1,1),(0,0)', '10.0.0.1', '[1,5)', true),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture
def dsn(new_postgres: Create) -> str:
    dsn = new_postgres("")
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)
    return dsn


@pytest.fixture
def store(dsn: str) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"sql:postgresql://{store._session.host}:{store._session.port}/{store.name}/@unknown")
    yield store
    store.close()
    with psycopg.connect(dsn) as connection:
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jobchaos%'").fetchall()
    assert left == [] or store._shadow._is_kept


def run(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(sql)


def test_all_types_are_compared_as_they_are(store: PostgresStore) -> None:
    odd, empty = store.snapshot().tables["billing.odd"].rows
    assert odd[:6] == ("sad", "{1,2,NULL}", '{"a": 1}', '{"a": 1}', b"\xde\xad\xbe\xef", "1.50")
    assert odd[6:10] == ("2026-01-01 10:00:00+00", "(1,2)", "2026-01-01", 0.1)
    assert odd[10:] == ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "(1,1),(0,0)", "10.0.0.1/32", "[1,5)", "true")
    assert set(empty) == {None}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET name = 'eve' WHERE id = 1",
        "INSERT INTO users (name) VALUES ('eve')",
        "UPDATE users SET flat = NULL; DELETE FROM flats; UPDATE users SET boss = NULL; DELETE FROM users",
        "TRUNCATE users, flats, log, billing.odd RESTART IDENTITY",
        "INSERT INTO flats (owner, size) SELECT 1, i FROM generate_series(1, 3000) i",
        "UPDATE billing.odd SET n = 1.5, a = '{2}', x = '', j = '{\"a\": 2}'",
        "DELETE FROM billing.odd WHERE m IS NULL; INSERT INTO billing.odd SELECT * FROM billing.odd",
        "UPDATE prices SET amount = 1.00 WHERE amount = 1",
        "UPDATE prices SET amount = amount + 1.5, note = NULL",
        "UPDATE prices SET place = '(1,3)' WHERE place IS NOT NULL",
        "INSERT INTO prices SELECT i, NULL, NULL FROM generate_series(3, 3000) i; DELETE FROM prices WHERE amount = 2",
        "SELECT nextval('users_id_seq'), setval('flats_id_seq', 100)",
    ],
)
def test_what_a_job_does_is_undone(store: PostgresStore, dsn: str, change: str) -> None:
    before = store.snapshot()
    run(dsn, change)
    after = store.snapshot()
    held = store.hold()
    store.restore()
    assert store.snapshot().same_as(before)
    with psycopg.connect(dsn) as connection:
        row = connection.execute("INSERT INTO users (name) VALUES ('new') RETURNING id").fetchone()
        flat = connection.execute("INSERT INTO flats (size) VALUES (7) RETURNING id, double").fetchone()
        assert (row, flat) == ((3,), (3, 14))
        connection.rollback()
    store.put_back(held)
    assert store.snapshot().same_as(after)
    store.restore()
    assert store.snapshot().same_as(before)


def test_the_servers_own_time_is_the_same_in_each_run(store: PostgresStore, dsn: str) -> None:
    seen = []
    for _ in range(2):
        run(dsn, "UPDATE billing.odd SET t = clock_timestamp(), n = extract(epoch FROM now()) WHERE m IS NULL")
        seen.append(store.snapshot())
        store.restore()
    assert seen[0].same_as(seen[1])
    assert ("(server time)",) * 2 in {row[5:7] for row in seen[0].tables["billing.odd"].rows}


def test_a_new_table_is_seen_and_dropped(store: PostgresStore, dsn: str) -> None:
    before = store.snapshot()
    run(dsn, "CREATE TABLE extra AS SELECT 1 AS n")
    assert store.snapshot().tables["extra"].rows == ((1,),)
    store.restore()
    assert store.snapshot().same_as(before)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE log",
        "DROP TABLE users CASCADE",
        "DROP TABLE users, flats, log, billing.odd CASCADE",
        "ALTER TABLE users ADD COLUMN more int DEFAULT 3; UPDATE users SET name = 'eve'",
        "ALTER TABLE flats DROP COLUMN size CASCADE; ALTER TABLE billing.odd RENAME COLUMN n TO m2",
        "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE; INSERT INTO users (id, name) VALUES (1, 'twin')",
        "ALTER TABLE flats RENAME TO houses; ALTER TABLE users ALTER COLUMN flat TYPE bigint",
        "DROP SCHEMA billing CASCADE; CREATE SCHEMA other; CREATE TABLE other.t (id serial PRIMARY KEY)",
        "DROP FUNCTION note CASCADE; DROP TYPE mood CASCADE; DROP INDEX named; DROP VIEW happy",
        "ALTER TYPE mood ADD VALUE 'silly'",
        "GRANT SELECT ON users TO PUBLIC; ALTER SEQUENCE users_id_seq INCREMENT 5; CREATE INDEX more ON log (line)",
        "CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ],
)
def test_what_a_job_does_to_the_schema_is_undone(dsn: str, change: str) -> None:
    run(dsn, "CREATE VIEW happy AS SELECT name FROM users; CREATE INDEX named ON users (lower(name))")
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"sql:postgresql://{store._session.host}:{store._session.port}/{store.name}/@unknown")
    before, defined = store.snapshot(), store._definitions.read()
    run(dsn, change)
    after, redefined = store.snapshot(), store._definitions.read()
    assert redefined != defined
    held = store.hold()
    store.restore()
    assert store.snapshot().same_as(before)
    assert store._definitions.read() == defined
    store.put_back(held)
    assert store.snapshot().same_as(after)
    assert store._definitions.read() == redefined
    store.restore()
    assert store.snapshot().same_as(before)
    with psycopg.connect(dsn) as connection:
        flat = connection.execute("INSERT INTO flats (size, owner) VALUES (7, 1) RETURNING id, double").fetchone()
        assert flat == (3, 14), "the server counts on from where it was"
        connection.rollback()
    store.close()


def test_a_materialized_view_that_a_job_refreshes_holds_what_it_held(dsn: str) -> None:
    run(
        dsn, "CREATE MATERIALIZED VIEW names AS SELECT name FROM users; CREATE MATERIALIZED VIEW sizes AS SELECT 1 AS v"
    )
    run(dsn, "CREATE MATERIALIZED VIEW later AS SELECT name FROM users WITH NO DATA")
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"{store._resource}/@unknown")
    before = store._views.read()
    run(dsn, "UPDATE users SET name = 'eve'; REFRESH MATERIALIZED VIEW names; REFRESH MATERIALIZED VIEW later")
    after, held = store._views.read(), store.hold()
    store.restore()
    assert store._views.read() == before
    store.put_back(held)
    assert store._views.read() == after
    run(dsn, "DROP MATERIALIZED VIEW names")
    store.restore()
    assert store._views.read() == before
    store.close()


def test_a_materialized_view_that_was_behind_is_said(dsn: str) -> None:
    run(dsn, "CREATE MATERIALIZED VIEW names AS SELECT name FROM users; UPDATE users SET name = 'bob' WHERE id = 1")
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"{store._resource}/@unknown")
    store.restore()
    run(dsn, "REFRESH MATERIALIZED VIEW names")
    with pytest.raises(UsageError, match=r"the job refreshes public.names, .*REFRESH it in the test"):
        store.restore()
    store.close()


def test_a_table_that_is_locked_when_the_schema_is_read_costs_nothing(dsn: str) -> None:
    store = PostgresStore(dsn)
    store.capture()
    store._session.run("SET lock_timeout = '10ms'")
    before, unknown = store.snapshot(), f"{store._resource}/@unknown"
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE users ADD COLUMN more int")
        store.announce(unknown)
        connection.rollback()
    store.announce(unknown)
    run(dsn, "CREATE TABLE extra (n int)")
    store.restore()
    assert store.snapshot().same_as(before)
    store.close()


def test_rows_without_a_column_that_could_be_kept_come_back(dsn: str) -> None:
    run(dsn, "CREATE TABLE bare (); CREATE TABLE made (n int GENERATED ALWAYS AS (1) STORED)")
    run(dsn, "INSERT INTO bare DEFAULT VALUES; INSERT INTO made DEFAULT VALUES")
    store = PostgresStore(dsn)
    store.capture()
    run(dsn, "INSERT INTO bare DEFAULT VALUES; DELETE FROM made")
    store.restore()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*), (SELECT sum(n) FROM made) FROM bare").fetchone() == (1, 1)
    store.close()


def test_a_lost_table_is_said_and_its_rows_are_kept(dsn: str) -> None:
    run(dsn, "CREATE RULE quiet AS ON DELETE TO log DO INSTEAD NOTHING")
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"sql:postgresql://{store._session.host}:{store._session.port}/{store.name}/@unknown")
    run(dsn, "DROP TABLE log")
    store.snapshot()
    with pytest.raises(LossError, match=r"dropped or altered log .*kept: log in (\S+) where") as caught:
        store.restore()
    assert caught.value.code == "JC914"
    store.close()
    following = PostgresStore(dsn)
    following.capture()
    following.close()
    with psycopg.connect(dsn) as connection:
        place = str(caught.value).partition("kept: log in ")[2].partition(" where")[0]
        assert place.startswith('"jobchaos_kept_')
        assert connection.execute(f"SELECT count(*) FROM {place}").fetchone() == (4,)


def test_a_database_that_is_no_test_resource_is_refused_untouched(new_postgres: Create, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS jobchaos_production WITH (FORCE)")
        connection.execute("CREATE DATABASE jobchaos_production")
    production = psycopg.conninfo.make_conninfo(dsn, dbname="jobchaos_production")
    try:
        run(production, "CREATE TABLE precious (id int); INSERT INTO precious VALUES (1)")
        store = PostgresStore(production)
        with pytest.raises(UnsafeRestoreError) as refusal:
            store.capture()
        host = store._session.host
        assert f"the database 'jobchaos_production' on {host} is not plainly a test resource" in str(refusal.value)
        assert f"@pytest.mark.jobchaos(allow=['{host}/jobchaos_production'])" in str(refusal.value)
        store.restore()
        store.close()
        with psycopg.connect(production) as connection:
            assert connection.execute("SELECT id FROM precious").fetchone() == (1,)
            schemas = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'jobchaos%'").fetchall()
            assert schemas == []
        allowed = PostgresStore(production, allow=["jobchaos_production"])
        allowed.capture()
        allowed.close()
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("DROP DATABASE jobchaos_production WITH (FORCE)")


def test_a_server_that_is_too_old_is_refused(store: PostgresStore, dsn: str) -> None:
    old = PostgresStore(dsn)
    old._session.version = 110_000
    with pytest.raises(UsageError, match="PostgreSQL 11, which is too old"):
        old.capture()
    old.close()


def test_a_session_that_the_server_has_ended_comes_back(store: PostgresStore, dsn: str) -> None:
    before = store.snapshot()
    run(dsn, "UPDATE users SET name = 'eve'")
    run(dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jobchaos'")
    store.restore()
    assert store.snapshot().same_as(before)


def test_what_a_killed_process_has_left_is_cleared_away(dsn: str) -> None:
    run(dsn, "CREATE SCHEMA jobchaos_999999999_1")
    store = PostgresStore(dsn)
    store.capture()
    store.close()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'jobchaos%'").fetchall() == []
