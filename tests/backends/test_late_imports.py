"""A driver that only the job imports, while the check runs, is watched like one that was there before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.backends.conftest import Create
from tests.backends.mysql import ACCESS, Database, mysql_databases

__all__ = ["mysql_databases"]

HERE = Path(__file__).parents[2]
SCRIPT = """
import importlib
from jobchaos import Settings, check

def job():
    db = importlib.import_module({driver!r}).connect({args})
    db.cursor().execute("INSERT INTO sent VALUES (1)")
    db.commit()
    db.close()

verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick"))
print([finding.code for finding in verdict.findings])
"""
TABLE = "CREATE TABLE sent (user_id INT)"


def told(driver: str, args: str) -> str:
    script = SCRIPT.format(driver=driver, args=args)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=HERE, check=False)
    return run.stdout.strip() or run.stderr


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_on_postgres(new_postgres: Create, driver: str) -> None:
    dsn = new_postgres("late")
    with psycopg.connect(dsn) as db:
        db.execute(TABLE)
    assert told(driver, repr(dsn)) == "['JC103']"
    with psycopg.connect(dsn) as db:
        assert db.execute("SELECT count(*) FROM sent").fetchone() == (1,), "it is as one clean run leaves it"


@pytest.mark.parametrize("driver", ["pymysql", "MySQLdb"])
def test_on_mariadb(mysql_databases: tuple[Database, Database], driver: str) -> None:
    database, _ = mysql_databases
    if driver == "MySQLdb":
        database.by_mysqlclient().close()
    database.reset(TABLE)
    access: dict[str, Any] = {name: value for name, value in ACCESS.items() if name != "ssl_disabled"}
    assert told(driver, f"**{ {**access, 'database': database.name}!r}") == "['JC103']"
    assert database.run("SELECT COUNT(*) FROM sent") == ((1,),)
