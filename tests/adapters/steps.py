"""The job of all conformance tests: three steps, each a row. In a real worker it meets the trouble that it is told to.

Trouble comes once: the first execution that gets there takes it away with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

DATABASE = "JOBCHAOS_TEST_STEPS"
TROUBLE = "JOBCHAOS_TEST_TROUBLE"
STEPS = 3


def run(order: str) -> None:
    """Do all steps."""
    for step in range(STEPS):
        _meet(order, step)
        with closing(sqlite3.connect(os.environ[DATABASE], timeout=10, isolation_level=None)) as db:
            db.execute("INSERT INTO steps VALUES (?, ?)", (order, step))


async def run_later(order: str) -> None:
    """Do all steps in an event loop, which goes on while it hangs."""
    for step in range(STEPS):
        if os.environ.get(TROUBLE, "") == f"hang|{order}|{step}":
            if _is_first():
                await asyncio.sleep(30)
        else:
            _meet(order, step)
        with closing(sqlite3.connect(os.environ[DATABASE], timeout=10, isolation_level=None)) as db:
            db.execute("INSERT INTO steps VALUES (?, ?)", (order, step))


def fail(order: str) -> None:
    """Do the first step, and fail."""
    with closing(sqlite3.connect(os.environ[DATABASE], timeout=10, isolation_level=None)) as db:
        db.execute("INSERT INTO steps VALUES (?, 0)", (order,))
    raise ConnectionError("the shop is closed")


def rows(order: str) -> tuple[int, ...]:
    """The steps done so far, in order."""
    with closing(sqlite3.connect(os.environ[DATABASE], timeout=10)) as db:
        return tuple(step for (step,) in db.execute("SELECT step FROM steps WHERE job = ? ORDER BY rowid", (order,)))


def create() -> None:
    """An empty table."""
    with closing(sqlite3.connect(os.environ[DATABASE])) as db:
        db.execute("CREATE TABLE IF NOT EXISTS steps (job TEXT, step INT)")


def _meet(order: str, step: int) -> None:
    """`kill group`, `kill group later`, `kill self`, `hold` or `hang`, before a step of a job: `kill group|order|1`."""
    trouble, _, place = os.environ.get(TROUBLE, "").partition("|")
    if place != f"{order}|{step}" or not _is_first():
        return
    if trouble == "hold":
        _wait_for_another(order)
        return
    if trouble == "hang":
        for _ in range(600):  # an exception that is raised from outside waits for Python code
            time.sleep(0.05)
        return
    if trouble.endswith("later"):
        time.sleep(0.5)
    in_group = trouble.startswith("kill group")
    target = 0 if in_group else os.getpid()
    (os.killpg if in_group else os.kill)(target, signal.SIGKILL)


def _is_first() -> bool:
    marker = Path(os.environ[DATABASE] + ".met")
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _wait_for_another(order: str) -> None:
    """Until another execution has done the last step, half a minute at most."""
    for _ in range(600):
        if STEPS - 1 in rows(order):
            return
        time.sleep(0.05)
