"""What all tests share: a database with one user. Hypothesis must not watch the clock, nor remember.

The machine may be busy; and what one test remembers as failing, another one with the same job would replay first.
"""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest

from tests.database import Sql, sql_on

hypothesis.settings.register_profile(
    "unhurried", database=None, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells have it for what they run in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one user, who has no points."""
    database = tmp_path / "app.db"
    sql_on(database)(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, points INT)",
        "INSERT INTO users VALUES (1, 0)",
    )
    return database


@pytest.fixture
def sql(path: Path) -> Sql:
    """`sql(*statements)` on that database."""
    return sql_on(path)
