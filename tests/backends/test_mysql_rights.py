"""A job's user of MariaDB may be somebody who may do little: what is missing is said, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from jobchaos.errors import UsageError
from jobchaos.stores.mysql import MySQLStore
from tests.backends.mysql import ACCESS, Database, mysql_databases

__all__ = ["mysql_databases"]

USER = f"jobchaos_test_{os.getpid()}"
SHADOWS = "`jobchaos_shadow_%`.*"
Poor = Callable[..., MySQLStore]


@pytest.fixture
def database(mysql_databases: tuple[Database, Database]) -> Database:
    database, _ = mysql_databases
    database.reset(
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT)",
        "CREATE VIEW seen AS SELECT n FROM t",
        "INSERT INTO t (n) VALUES (1)",
    )
    return database


@pytest.fixture
def poor(database: Database) -> Iterator[Poor]:
    """`poor(*rights)`: a store that works as a user who has these, `rights ON what`."""
    stores = []

    def make(*rights: str) -> MySQLStore:
        database.run(f"CREATE OR REPLACE USER {USER}@'%' IDENTIFIED BY 'pw'")
        for right in rights:
            database.run(f"GRANT {right} TO {USER}@'%'")
        stores.append(MySQLStore({**ACCESS, "database": database.name, "user": USER, "password": "pw"}))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
    database.run(f"DROP USER {USER}@'%'")


def test_who_may_not_create_a_database_is_told_what_to_grant(poor: Poor, database: Database) -> None:
    with pytest.raises(UsageError, match=r"may not create a database.*GRANT ALL ON"):
        poor(f"ALL ON {database.name}.*").capture()


def test_who_may_not_see_how_views_are_made_is_told_what_to_grant(poor: Poor, database: Database) -> None:
    store = poor(f"SELECT, UPDATE ON {database.name}.*", f"ALL ON {SHADOWS}")
    with pytest.raises(UsageError, match=rf"may not see how all .*SHOW VIEW.*GRANT ALL ON `{database.name}`"):
        store.capture()


@pytest.mark.parametrize("change", ["DROP VIEW seen", "DROP TRIGGER noting"])
def test_what_the_user_may_not_make_again_is_said_with_where_the_rows_are(
    poor: Poor, database: Database, change: str
) -> None:
    database.run("CREATE TRIGGER noting AFTER UPDATE ON t FOR EACH ROW SET @n = NEW.n")
    store = poor(f"ALL ON {database.name}.*", f"ALL ON {SHADOWS}")
    store.capture()
    store.announce(f"{store._resource}/@unknown")
    database.run(change, "UPDATE t SET n = 2")
    with pytest.raises(UsageError, match=rf"may not bring back .*in the database {store._shadow.name}, until"):
        store.restore()
    store.close()
    assert database.run(f"SELECT n FROM {store._shadow.name}.t") == ((1,),)
    database.run(f"DROP DATABASE {store._shadow.name}")
