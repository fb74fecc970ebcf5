"""Abandoned: changes that a worker has made in a transaction, and leaves to be rolled back without any need."""

from __future__ import annotations

import sys

from jobchaos.core.hang import name_of
from jobchaos.core.ports import Worker


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
