"""How a worker dies: the exceptions that end an attempt from outside."""

from __future__ import annotations


class WorkerKilled(BaseException):
    """Raised in a worker's thread in place of SIGKILL. Jobs have no business with it."""


class CheckStopped(BaseException):
    """Raised in a worker's thread when the check itself cannot go on; the controller knows why."""
