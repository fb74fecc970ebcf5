"""ThreadCheck: sqlite3's check that one thread only uses a connection, for connections that copies hand on."""

from __future__ import annotations

import sqlite3
import threading


class ThreadCheck:
    """Begins with the calling thread. Its number may be another thread's later, so that Python's own check may pass."""

    def __init__(self) -> None:
        self._owner: int | None = threading.get_ident()

    def pass_on(self) -> None:
        """The thread's worker is done. The next one may use the connection: each is the main thread of its process."""
        self._owner = None

    def require(self) -> None:
        """Check the calling thread.

        Raises:
            ProgrammingError: If it is another one.
        """
        caller = threading.get_ident()
        self._owner = caller if self._owner is None else self._owner
        if self._owner != caller:
            raise sqlite3.ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in "
                f"thread id {self._owner} and this is thread id {caller}."
            )
