"""Pipelines of psycopg's (`executemany` makes one, too): in a check each of their statements is answered at once.

psycopg sends a pipeline's statements without waiting for answers. Nobody could tell then in which order those of two
workers run, or which of them waits for a lock. What the server makes of a pipeline stays as it is: outside of a
transaction, all statements up to the next sync are one, and the sync is its COMMIT.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import Any

from jobchaos.probes.base import Patches
from jobchaos.probes.server_statement import COMMITTING, CONTROLLING, UNDOING
from jobchaos.probes.statement import first_word

_IDLE = 0  # psycopg.pq.TransactionStatus
_Gen = Generator[Any, Any, Any]
_unsynced: weakref.WeakSet[Any] = weakref.WeakSet()
"""Pipelines whose statements since the last sync are a transaction of the server's own making."""


def begins_open(connection: Any) -> bool:
    """True if a statement that is sent now is part of a transaction that goes on after it."""
    return connection._pipeline is not None or connection.pgconn.transaction_status != _IDLE  # noqa: SLF001


def is_open(connection: Any) -> bool:
    """True if a transaction is open, now that all is answered."""
    return connection._pipeline in _unsynced or connection.pgconn.transaction_status != _IDLE  # noqa: SLF001


def answered(connection: Any, text: str) -> _Gen:
    """Send what a pipeline has queued, and take the answers.

    Args:
        connection: psycopg's.
        text: The statement that was queued last.

    Raises:
        Error: psycopg's, of the statement.
    """
    pipeline = connection._pipeline  # noqa: SLF001
    if pipeline is None:
        return
    ends = first_word(text) in COMMITTING | CONTROLLING | UNDOING
    _unsynced.discard(pipeline)
    if ends or connection.pgconn.transaction_status != _IDLE:  # a sync ends no transaction that has a BEGIN
        pipeline._enqueue_sync()  # noqa: SLF001
    yield from pipeline._communicate_gen()  # noqa: SLF001
    yield from pipeline._fetch_gen(flush=True)  # noqa: SLF001
    if not ends and connection.pgconn.transaction_status == _IDLE:
        _unsynced.add(pipeline)


def queued(connection: Any, statements: Sequence[str]) -> bool:
    """Add statements of our own to a connection's pipeline; False if it has none."""
    pipeline = connection._pipeline  # noqa: SLF001
    if pipeline is None:
        return False
    for statement in statements:
        send = functools.partial(connection.pgconn.send_query_params, statement.encode(), None)
        pipeline.command_queue.append(send)
        pipeline.result_queue.append(None)
    return True


def watch_syncs(patches: Patches, commit: Callable[[Any], _Gen], is_dead: Callable[[], bool]) -> None:
    """Make the syncs that commit something steps.

    Args:
        patches: Undoes it.
        commit: Commits what a connection's pipeline has done since the last one, as a step.
        is_dead: Tells whether the worker that asks was killed: it must not wait for any answers.
    """
    from psycopg._pipeline_base import BasePipeline

    def step_first(name: str) -> None:
        def watched(pipeline: Any) -> _Gen:
            # To enter a pipeline within one is a sync, too, and psycopg sees no reason for it if all is answered.
            if pipeline in _unsynced or is_dead():
                yield from commit(pipeline._conn)  # noqa: SLF001
            return (yield from original(pipeline))

        original = patches.set(BasePipeline, name, watched)

    for name in ("_enter_gen", "_sync_gen", "_exit_gen"):
        step_first(name)
