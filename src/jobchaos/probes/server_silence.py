"""Silence: an SQL server does not come to the end of a statement, and gives it up by itself if it was told when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker
from jobchaos.core.schedule import Fault

GIVE_UP = "SET LOCAL statement_timeout = 1; SELECT pg_sleep(86400)"
"""Makes PostgreSQL itself give up a statement, after a millisecond, with all that this does to the transaction."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What becomes of one statement.

    Attributes:
        hang: How it would be waited for.
        is_slow: Whether it is answered all the same, at the last moment.
        why: What the server gives it up for.
    """

    hang: Hang
    is_slow: bool
    why: Literal["statement timeout", "lock timeout"]

    def endure(self, worker: Worker) -> None:
        """Let the time pass until it is answered, or given up; never return if it never is."""
        if self.is_slow:
            worker.linger(self.hang)
        else:
            worker.time_out(self.hang)


def server(host: str, port: str) -> str:
    """Resource path of a server of PostgreSQL's, see `Hang.far`; a socket's folder stands for its host."""
    return f"host:{host}/.s.PGSQL.{port}" if host.startswith("/") else f"host:{host}:{port}"


def silence(worker: Worker, far: str, advice: str, *, statement: int, lock: tuple[str, int]) -> Silence | None:
    """Ask what becomes of a statement at whose step a worker stands; None if it is answered.

    Args:
        worker: Who has sent it.
        far: The server, see `Hang.far`.
        advice: What to write to set a limit.
        statement: Milliseconds after which the server gives it up; 0 for never.
        lock: Who may keep its locks for ever, and after how many milliseconds it is given up for that; 0 if it takes
            none, or is given up as a statement before.
    """
    whole = Hang(far, statement / 1000 if statement else None, None, advice, "work")
    fault = worker.ask(lambda: whole)
    if fault is Fault.SLOW:
        return Silence(whole, is_slow=True, why="statement timeout") if statement else None
    if fault is not None:
        return Silence(whole, is_slow=False, why="statement timeout")
    resource, limit = lock
    if not limit:
        return None
    turn = Hang(resource, limit / 1000, None, advice, "lock")
    return None if worker.ask(lambda: turn) is None else Silence(turn, is_slow=False, why="lock timeout")
