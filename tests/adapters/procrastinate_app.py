"""The Procrastinate app of the conformance tests, configured by the environment: for real workers, and for us."""

from __future__ import annotations

import os
from typing import Any

import procrastinate

from tests.adapters import steps


def make(url: str) -> Any:
    """An app of its own, with the two tasks."""
    made = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    made.task(name="run")(steps.run)
    made.task(name="fail", retry=procrastinate.RetryStrategy(max_attempts=2))(steps.fail)
    return made


app = make(os.environ.get("JOBCHAOS_TEST_BROKER", ""))
