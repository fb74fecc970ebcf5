"""Abandoned: changes that a worker has made in a transaction, and leaves to be rolled back without any need."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from jobchaos.core.hang import name_of
from jobchaos.core.ports import Worker


class _Here(threading.local):
    leaving = False


_here = _Here()


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """A library rolls back meanwhile because the job leaves a connection, and not because it says so."""
    before, _here.leaving = _here.leaving, True
    try:
        yield
    finally:
        _here.leaving = before


def leaves(genuine: Callable[..., Any]) -> Callable[..., Any]:
    """A function that does the same as another one, all of it `leaving`."""

    @functools.wraps(genuine)
    def leave(*args: Any, **kwargs: Any) -> Any:
        with leaving():
            return genuine(*args, **kwargs)

    return leave


def is_leaving() -> bool:
    """True if the calling thread is within `leaving`."""
    return _here.leaving


def abandoned(worker: Worker, base: str) -> None:
    """A worker leaves a connection whose transaction has changed something. If nothing has failed, it was forgotten.

    Args:
        worker: Whose it is.
        base: Resource path of the database.
    """
    if not worker.dead and sys.exc_info()[0] is None:
        worker.oddity(
            "JC722", f"leaves changes in {name_of(base)} that it never commits: nothing of them is kept", placed=True
        )
