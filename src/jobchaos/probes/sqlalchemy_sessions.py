"""SQLAlchemySessionProbe: sessions that outlive the worker who has used them, in a suite as it is.

Problem: a suite's sessions are often one for the thread, or one for the test and its tasks. A worker that is killed
leaves such a session in the middle of something: a failed flush, objects that it has changed and not written. Its
successor would be another process, and would begin with nothing of that.

Solution: when a worker dies, roll back the transactions that sessions have begun under it, and let those that hold
something unwritten forget it.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from typing import TYPE_CHECKING, Any

from jobchaos.core.ports import Worker
from jobchaos.probes.library import LibraryProbe

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, SessionTransaction


class SQLAlchemySessionProbe(LibraryProbe):
    """Does nothing unless SQLAlchemy's ORM has been imported."""

    library = "sqlalchemy.orm"

    def __init__(self) -> None:
        super().__init__()
        self._transactions: weakref.WeakKeyDictionary[Worker, list[SessionTransaction]] = weakref.WeakKeyDictionary()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from sqlalchemy import event
        from sqlalchemy.orm import Session

        event.listen(Session, "after_begin", self._begun)
        self.patches.on_undo(lambda: event.remove(Session, "after_begin", self._begun))

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`."""
        sessions: Any = sys.modules.get("sqlalchemy.orm.session")
        if sessions is None:
            return
        for transaction in self._transactions.pop(worker, []):
            with contextlib.suppress(Exception):  # it has ended; or it is one of asyncio's, which wait elsewhere
                transaction.rollback()
        for session in list(sessions._sessions.values()):  # noqa: SLF001 - there is no other list
            if not session.is_active or session.new or session.dirty or session.deleted:
                with contextlib.suppress(Exception):
                    _forget(session)

    def _begun(self, _session: Session, transaction: SessionTransaction, _connection: Any) -> None:
        worker = self.worker()
        if worker is not None:
            self._transactions.setdefault(worker, []).append(transaction)


def _forget(session: Session) -> None:
    if not session.is_active:
        session.rollback()
    for added in list(session.new):
        session.expunge(added)
    session.expire_all()  # the test's own objects stay in it, and are read anew
