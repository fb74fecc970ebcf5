"""Site: the database that the jobs of the corpus work on, whichever server and driver it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Run = Callable[..., Sequence[tuple[Any, ...]]]


@dataclass
class Site:
    """Where a job's data is.

    Attributes:
        dialect: `postgres` or `mysql`.
        open: Opens a connection as PEP 249 wants it: in transactions.
        isolation: SQL that sets the level of the next transaction; empty for the server's own.
    """

    dialect: str
    open: Callable[[], Any]
    others: dict[str, Site] = field(default_factory=dict)

    @contextlib.contextmanager
    def transaction(self, level: str = "") -> Iterator[Run]:
        """`run(sql, *values)` in one transaction, which is committed at the end; returns rows."""
        connection = self.open()
        try:
            with connection.cursor() as cursor:
                if level:
                    cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")

                def run(sql: str, *values: Any) -> Sequence[tuple[Any, ...]]:
                    cursor.execute(sql, values or None)
                    return cursor.fetchall() if cursor.description else ()

                yield run
            connection.commit()
        except Exception:
            connection.rollback()
            raise
        finally:
            connection.close()


@dataclass
class Place:
    """Holds the site that jobs use; a fixture sets it."""

    site: Site | None = None

    def __call__(self) -> Site:
        assert self.site is not None
        return self.site


here = Place()
