"""Whichever PostgreSQL driver is there: psycopg 3 or psycopg2."""

from __future__ import annotations

import importlib
from typing import Any

from jobchaos.errors import MissingExtraError


def connect(dsn: str) -> Any:
    """A connection in autocommit mode.

    Args:
        dsn: What libpq takes, credentials included.

    Raises:
        MissingExtraError: If there is no driver.
    """
    for name in ("psycopg", "psycopg2"):
        try:
            driver = importlib.import_module(name)
        except ImportError:
            continue
        connection = driver.connect(dsn, application_name="jobchaos")
        connection.autocommit = True
        return connection
    raise MissingExtraError("a PostgreSQL database needs psycopg or psycopg2: pip install 'psycopg[binary]'")
