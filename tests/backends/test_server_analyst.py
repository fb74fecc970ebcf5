"""What a statement to a server touches, by its text and the schema; whatever is not plain touches everything."""

from __future__ import annotations

import psycopg
import pytest

from jobchaos.core.effect import Mode
from jobchaos.probes.postgres_catalog import read_schema
from jobchaos.probes.server_analyst import Analyst
from jobchaos.probes.server_statement import ServerStatement
from tests.backends.conftest import Create

SCHEMA = """
CREATE SCHEMA billing;
CREATE TABLE users (id int PRIMARY KEY, name text UNIQUE, points int);
CREATE TABLE orders (id serial PRIMARY KEY, owner int REFERENCES users (id), status text);
CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders (id) ON DELETE CASCADE, text text);
CREATE TABLE tokens (id uuid PRIMARY KEY, used boolean);
CREATE TABLE billing.users (id int PRIMARY KEY);
CREATE TABLE billing.invoices (id int PRIMARY KEY);
CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE watched (id int PRIMARY KEY);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER noting AFTER UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION pure(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE VIEW open_orders AS SELECT o.id FROM orders o JOIN tokens t ON true WHERE status = 'open';
CREATE VIEW odd AS SELECT sneaky() AS n;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE remote (id int, name text) SERVER elsewhere;
"""
EVERYTHING = {"sql:db": "write"}


@pytest.fixture(scope="module")
def analyst(new_postgres: Create) -> Analyst:
    dsn = new_postgres("analyst")
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)
        return Analyst("sql:db", "postgres", read_schema(lambda sql: connection.execute(sql).fetchall()))


def touched(statement: ServerStatement, *values: object) -> dict[str, str]:
    """Resource to the strongest use of it."""
    uses: dict[str, str] = {}
    for touch in sorted(statement.touches_of([values]), key=lambda touch: touch.mode is Mode.WRITE):
        uses[touch.resource.removeprefix("sql:db/")] = touch.mode.value
    return uses


@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("SELECT points FROM billing.invoices WHERE id = $1", (7,), {"billing.invoices/id=7": "read"}),
        ("SELECT * FROM orders WHERE id = $1::INTEGER AND status = $2", (7, "x"), {"orders/id=7": "read"}),
        ("UPDATE orders SET status = 'x' WHERE id = 7", (), {"orders/id=7": "write", "users/@keys": "read"}),
        ("UPDATE orders SET status = 'x'", (), {"orders": "write", "users/@keys": "read"}),
        ("UPDATE lines SET text = '' WHERE order_id = 7", (), {"lines": "write", "orders/@keys": "read"}),
        ("DELETE FROM orders WHERE id = 7", (), {"orders": "write", "lines": "write"}),
        ("DELETE FROM lines WHERE id = 7", (), {"lines/id=7": "write"}),
        (
            "INSERT INTO orders (owner) VALUES (1)",
            (),
            {"orders": "write", "@sequences/public.orders_id_seq": "write", "users/@keys": "read"},
        ),
        ("INSERT INTO lines VALUES ($1, $2, NULL)", (3, 7), {"lines/id=3": "write", "orders/@keys": "read"}),
        (
            "INSERT INTO lines VALUES (3, 7, 'x') ON CONFLICT (id) DO NOTHING",
            (),
            {"lines/id=3": "write", "orders/@keys": "read"},
        ),
        (
            "SELECT 1 FROM tokens WHERE id = 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'",
            (),
            {"tokens/id=a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11": "read"},
        ),
        ("SELECT * FROM users WHERE id = 1", (), {"users": "read", "billing.users": "read"}),
        ("SELECT * FROM public.users WHERE id = 1", (), {"users/id=1": "read"}),
        ("SELECT * FROM public.users u, orders o WHERE u.id = 1", (), {"users": "read", "orders": "read"}),
        ("SELECT * FROM open_orders", (), {"open_orders": "read", "orders": "read", "tokens": "read"}),
        ("SELECT * FROM parts_old", (), {"parts": "read"}),
        ("WITH gone AS (DELETE FROM lines RETURNING *) SELECT * FROM gone", (), {"lines": "write"}),
        ("TRUNCATE lines", (), {"lines": "write"}),
        ("SELECT pure(1), now(), count(*) FROM tokens", (), {"tokens": "read"}),
        ("SELECT 'a; DROP TABLE lines' -- no; harm", (), {}),
        ("SELECT pg_advisory_xact_lock(1)", (), {}),
        ("SET lock_timeout = 1", (), {}),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", (), {}),
        ("DECLARE c CURSOR FOR SELECT * FROM tokens", (), {"tokens": "read"}),
        ("SELECT relname FROM pg_class", (), {"@schema": "read"}),
        ("SELECT nextval('x')", (), {"@sequences": "write"}),
    ],
)
def test_what_is_plain_is_known(
    analyst: Analyst, sql: str, values: tuple[object, ...], expected: dict[str, str]
) -> None:
    assert touched(analyst.read(sql), *values) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sneaky()",
        "SELECT * FROM odd, tokens WHERE sneaky() = 1",
        "SELECT * FROM unknown",
        "SELECT 1 INTO fresh FROM tokens",
        "CREATE TABLE fresh (id int)",
        "CALL anything()",
        "DO 'BEGIN END'",
        "LOCK TABLE tokens",
        "EXPLAIN ANALYZE DELETE FROM tokens",
        "COMMIT; DELETE FROM tokens",
        "this is no SQL",
        "SELECT lo_get(1)",
        "SELECT * FROM dblink('x', 'y') AS t (id int)",
    ],
)
def test_what_is_not_plain_touches_everything(analyst: Analyst, sql: str) -> None:
    assert touched(analyst.read(sql)) == EVERYTHING


@pytest.mark.parametrize(
    ("sql", "elsewhere"),
    [
        ("UPDATE remote SET name = '' WHERE id = 7", "foreign:remote"),
        ("INSERT INTO remote SELECT id, '' FROM tokens", "foreign:remote"),
        ("SELECT dblink_exec('x', 'VACUUM')", "foreign:dblink"),
        ("SELECT * FROM dblink('x', 'DELETE FROM y RETURNING id') AS t (id int)", "foreign:dblink"),
        ("SELECT lo_unlink(1)", "largeobject:all"),
    ],
)
def test_what_is_in_no_table_of_the_database_is_named(analyst: Analyst, sql: str, elsewhere: str) -> None:
    assert touched(analyst.read(sql))[elsewhere] == "write"
    assert elsewhere not in touched(analyst.read("SELECT id FROM remote"))


@pytest.mark.parametrize("sql", ["UPDATE watched SET id = 1", "INSERT INTO parts VALUES (1, now())", "DELETE FROM odd"])
def test_what_runs_code_of_the_users_writes_everything(analyst: Analyst, sql: str) -> None:
    assert touched(analyst.read(sql)).get("sql:db") == "write"


def locks(statement: ServerStatement, *values: object) -> dict[str, str]:
    found = statement.locks_of(statement.touches_of([values]))
    return {lock.resource.removeprefix("sql:db/"): lock.mode.value for lock in found}


def test_changes_and_selections_for_update_lock_rows(analyst: Analyst) -> None:
    assert locks(analyst.read("SELECT * FROM tokens")) == {}
    assert locks(analyst.read("SELECT * FROM orders WHERE id = 7 FOR UPDATE SKIP LOCKED")) == {
        "@lock/orders/id=7": "write"
    }
    assert locks(analyst.read("UPDATE orders SET status = '' WHERE id = 7")) == {
        "@lock/orders/id=7": "write",
        "@lock/users/@keys": "read",
    }
    assert locks(analyst.read("SELECT pg_try_advisory_lock(1)")) == {"@advisory": "write"}
    assert locks(analyst.read("LOCK TABLE tokens")) == {"@lock": "write"}
