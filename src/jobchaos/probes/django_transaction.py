"""TestTransaction: what workers do on a connection whose transaction the test itself has begun, and never commits.

The job's own transactions are savepoints there. They count as what they are in production: the outermost savepoint is a
transaction, its release a commit, and what runs outside of one is committed at once.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.probes.server_probe import SPARED
from jobchaos.probes.statement import first_word, label

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_READING = frozenset({"SELECT", "EXPLAIN", "PRAGMA", "SHOW", "VALUES"})
_PLACEHOLDER = re.compile(r"%(s|%)")
_WITH_PROBES = ("postgresql", "mysql")
"""Backends whose drivers are watched at any connection, so at the test's, too."""
_STATEMENT = "jobchaos_statement"
_log = logging.getLogger("django.db.backends.base")


class TestTransaction:
    """Makes steps of the statements on one connection.

    Args:
        connection: The test's, with an open transaction.
        worker: Gives the controlled worker of the calling thread.
    """

    __test__ = False  # not a test, whatever pytest may think of its name

    def __init__(self, connection: BaseDatabaseWrapper, worker: Callable[[], Worker | None]) -> None:
        self.connection = connection
        self._worker = worker
        self._depth = len(connection.savepoint_ids)
        self._hooks = len(connection.run_on_commit)
        self._pending = False  # the job's transaction has changed something
        self._savepoint = ""  # stands for the job's open transaction
        self._rolled_back = ""
        self._spared = [connection.connection] if connection.vendor in _WITH_PROBES else []
        SPARED.update(self._spared)
        connection.inc_thread_sharing()
        connection.execute_wrappers.append(self._execute)
        self._on_commit = connection.on_commit
        connection.on_commit = self._on_commit_of_worker

    def release(self) -> None:
        """The check is over: the connection is the test's alone again."""
        del self.connection.on_commit
        self.connection.execute_wrappers.remove(self._execute)
        self.connection.dec_thread_sharing()
        SPARED.difference_update(self._spared)

    def end_attempt(self) -> None:
        """A process ends, and takes its open transaction with it."""
        connection = self.connection
        if self._savepoint:
            with contextlib.closing(connection.create_cursor()) as cursor:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {self._savepoint}")
                cursor.execute(f"RELEASE SAVEPOINT {self._savepoint}")
        self._savepoint = ""
        del connection.savepoint_ids[self._depth :]
        del connection.run_on_commit[self._hooks :]
        connection.needs_rollback = False
        self._pending = False

    @contextlib.contextmanager
    def beginning(self, block: Any) -> Iterator[None]:
        """An `atomic` block begins: make the outermost one a savepoint, even if it asks for none."""
        if not self._is_outside:
            yield
            return
        self.connection.needs_rollback = False
        wanted, block.savepoint = block.savepoint, True
        try:
            yield
        finally:
            block.savepoint = wanted

    def run_commit_hooks(self) -> None:
        """An `atomic` block has ended well. If it was the outermost: do what a commit does."""
        hooks = self.connection.run_on_commit
        while self._is_outside and len(hooks) > self._hooks:
            _, function, robust = hooks.pop(self._hooks)
            _call(function, robust)

    @property
    def _is_outside(self) -> bool:
        """True if the job has no transaction of its own."""
        return len(self.connection.savepoint_ids) == self._depth

    def _on_commit_of_worker(self, func: Callable[[], object], robust: bool = False) -> None:
        if self._worker() is not None and self._is_outside and callable(func):
            _call(func, robust)
        else:
            self._on_commit(func, robust)

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        worker = self._worker()
        text = str(sql)
        verb = first_word(text)
        if worker is None:
            return execute(sql, params, many, context)
        savepoint = text.rpartition(" ")[2]
        if verb == "ROLLBACK":
            if self._is_outside and savepoint != self._savepoint:
                raise self._failure()  # it is committed, and only the answer was lost
            self._rolled_back = savepoint
            self._pending = self._pending and not self._is_outside
            self._savepoint = "" if self._is_outside else self._savepoint
            return execute(sql, params, many, context)
        if verb == "RELEASE" and savepoint == self._rolled_back:
            self._rolled_back = ""  # Django tidies up after a rollback, and so does death
            return execute(sql, params, many, context)
        effect = self._effect(verb, text, params, many)
        worker.touch(self._resource)
        if self._is_outside:
            self.connection.needs_rollback = (
                False  # in production, an earlier error would have ended with its statement
            )
        result = worker.perform(
            effect,
            lambda: self._run(verb, savepoint, lambda: execute(sql, params, many, context)),
            failure=self._failure,
            outcome=lambda _: _rows(effect, context["cursor"]),
        )
        self._pending = (self._pending or effect.writes) and not self._is_outside
        return result

    def _run(self, verb: str, savepoint: str, execute: Callable[[], Any]) -> Any:
        """Run a statement; outside of any block, an error is over with it, and must not end the test's transaction."""
        if self._is_outside and verb in ("SAVEPOINT", "RELEASE"):
            result = execute()
            self._savepoint = savepoint if verb == "SAVEPOINT" else ""
            return result
        if self.connection.vendor == "sqlite" or not self._is_outside:
            return execute()
        with contextlib.closing(self.connection.create_cursor()) as cursor:
            cursor.execute(f"SAVEPOINT {_STATEMENT}")
            try:
                result = execute()
            except Exception:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {_STATEMENT}")
                raise
            finally:
                cursor.execute(f"RELEASE SAVEPOINT {_STATEMENT}")
            return result

    @property
    def _resource(self) -> str:
        return f"django:{self.connection.alias}"

    def _effect(self, verb: str, text: str, params: Any, many: bool) -> Effect:
        read, written = Touch(self._resource, Mode.READ), Touch(self._resource, Mode.WRITE)
        if verb in ("SAVEPOINT", "RELEASE"):
            if not self._is_outside:
                return Effect("sql", "SAVEPOINT" if verb == "SAVEPOINT" else "RELEASE SAVEPOINT")
            if verb == "SAVEPOINT":
                return Effect("sql", "BEGIN")
            return Effect("sql", "COMMIT", (written,) if self._pending else (), durable=self._pending)
        values = next(iter(params or ()), ()) if many else params
        shown = label(_PLACEHOLDER.sub(lambda match: "?" if match[1] == "s" else "%", text), values or ())
        if verb in _READING:
            return Effect("sql", shown, (read,))
        return Effect("sql", shown, (written,), durable=self._is_outside)

    def _failure(self) -> Exception:
        from django.db import OperationalError

        error: Exception = OperationalError("server closed the connection unexpectedly")
        return error


def _rows(effect: Effect, cursor: Any) -> str:
    count = getattr(cursor, "rowcount", -1)
    if (
        not effect.writes
        or " RETURNING " in effect.label
        or effect.label == "COMMIT"
        or not isinstance(count, int)
        or count < 0
    ):
        return ""
    return f"{count} row" if count == 1 else f"{count} rows"


def _call(function: Callable[[], object], robust: bool) -> None:
    try:
        function()
    except Exception:
        if not robust:
            raise
        _log.exception("Error calling %s in on_commit()", getattr(function, "__qualname__", function))
