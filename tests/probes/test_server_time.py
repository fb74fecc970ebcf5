"""Which statements decide by the server's clock, and which only write a moment down."""

from __future__ import annotations

import pytest
import sqlglot

from jobchaos.probes.server_time import deciding_call


def call(dialect: str, sql: str) -> str:
    return deciding_call([tree for tree in sqlglot.parse(sql, dialect=dialect) if tree is not None], dialect)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now()",
        "SELECT extract(epoch FROM statement_timestamp())",
        "SELECT timeofday()",
        "SELECT 1 FROM leases WHERE expires < transaction_timestamp()",
        "SELECT expires > LOCALTIMESTAMP AS held FROM leases",
        "SELECT count(*) FILTER (WHERE expires < now()) FROM leases",
        "SELECT * FROM leases JOIN jobs ON expires < CURRENT_TIMESTAMP",
        "SELECT name FROM leases GROUP BY name HAVING max(expires) < CURRENT_DATE",
        "SELECT age(claimed_at) FROM jobs",
        "SELECT 1 FROM leases WHERE expires < 'now'::timestamptz",
        "DELETE FROM leases WHERE expires < timestamp 'yesterday'",
        "UPDATE leases SET expires = $1 WHERE expires < clock_timestamp() - interval '5 minutes'",
        "UPDATE jobs SET late = (due < now())",
        "UPDATE jobs SET tries = CASE WHEN due < now() THEN 1 ELSE 0 END",
        "INSERT INTO leases VALUES ($1) ON CONFLICT (name) DO UPDATE SET owner = $2 WHERE leases.expires < now()",
        "INSERT INTO leases VALUES ($1) RETURNING now()",
        "WITH free AS (SELECT name FROM leases WHERE expires < now()) UPDATE leases SET owner = $1 FROM free",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND t.expires < now() THEN UPDATE SET owner = 1",
    ],
)
def test_a_statement_that_decides_on_postgresql(sql: str) -> None:
    assert call("postgres", sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO jobs (created_at) VALUES (now())",
        "INSERT INTO jobs (created_at) SELECT now() FROM orders",
        "INSERT INTO jobs VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()",
        "UPDATE jobs SET updated_at = now() WHERE id = 7",
        "UPDATE jobs SET done_at = CASE WHEN status = 'done' THEN now() ELSE NULL END",
        "WITH changed AS (UPDATE jobs SET updated_at = now() RETURNING id) SELECT id FROM changed",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET seen_at = now()",
        "SELECT 1 FROM jobs WHERE name = 'now()' -- now()",
        "SELECT 1 FROM jobs WHERE name = 'now' /* WHERE expires < now() */",
        "SELECT age(finished_at, begun_at), expires FROM jobs WHERE expires < $1",
        'SELECT "now", current_timestamp_of_ours FROM jobs',
    ],
)
def test_a_statement_that_decides_nothing_on_postgresql(sql: str) -> None:
    assert call("postgres", sql) == ""


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT UNIX_TIMESTAMP()", "UNIX_TIMESTAMP()"),
        ("UPDATE leases SET expires = 7 WHERE expires < NOW() - INTERVAL 5 MINUTE", "NOW()"),
        ("UPDATE leases SET owner = IF(expires < SYSDATE(), 'a', owner)", "SYSDATE()"),
        ("SELECT 1 FROM leases WHERE expires < UTC_TIMESTAMP()", "UTC_TIMESTAMP()"),
        ("INSERT INTO leases VALUES (1) ON DUPLICATE KEY UPDATE owner = IF(expires < NOW(), 'a', owner)", "NOW()"),
        ("SELECT UNIX_TIMESTAMP(expires) FROM leases", ""),
        ("INSERT INTO jobs VALUES (NOW(), CURDATE())", ""),
        ("INSERT INTO jobs VALUES (1) ON DUPLICATE KEY UPDATE seen_at = NOW()", ""),
        ("SELECT 'NOW()' # NOW()", ""),
        ("UPDATE jobs SET done_at = IF(status = 'done', NOW(), NULL)", ""),
    ],
)
def test_on_mariadb(sql: str, named: str) -> None:
    assert call("mysql", sql) == named
