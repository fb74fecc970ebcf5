"""CommitsInC: where sqlite3 commits in C, past `Connection.commit`, it is made to go through that."""

from __future__ import annotations

import abc
import sqlite3
from types import TracebackType
from typing import Any, Literal

from jobchaos.core.ports import Worker

_level: Any = vars(sqlite3.Connection)["isolation_level"]


class CommitsInC(sqlite3.Connection):
    """A connection that commits at the end of a `with` block, and when its isolation level is set to None."""

    @abc.abstractmethod
    def worker(self) -> Worker | None:
        """The controlled worker of the calling thread."""

    @abc.abstractmethod
    def drop(self) -> None:
        """Roll back, as death would."""

    @property
    def isolation_level(self) -> Any:
        """See `sqlite3.Connection.isolation_level`. Django sets it at the end of each transaction."""
        return _level.__get__(self)

    @isolation_level.setter
    def isolation_level(self, level: Any) -> None:
        if level is None and self.in_transaction:
            worker = self.worker()
            if worker is not None and worker.dead:
                self.drop()
            else:
                self.commit()
        _level.__set__(self, level)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        if kind is None:
            try:
                self.commit()
            except BaseException:
                self.drop()
                raise
        else:
            self.rollback()
        return False
