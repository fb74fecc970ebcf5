"""Transactions that a job of MariaDB's or MySQL's has prepared (XA PREPARE), and has not lived to end.

They outlive their session and keep their locks, until somebody ends them by name. Names are the server's, not the
database's: https://mariadb.com/kb/en/xa-transactions/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Run = Callable[[str], Sequence[tuple[Any, ...]]]
_MAY_NOT_SEE = 1401  # MySQL's word for a user without XA_RECOVER_ADMIN, and for worse
_HARMLESS = (1397, 1399, 1402)  # it has a session still; or it has changed nothing, and is over by that


class MySQLPrepared:
    """Rolls them back.

    Args:
        run: Runs a statement, and returns its rows.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._others: frozenset[str] | None = None

    def begin(self) -> None:
        """From now on the job may prepare some: those that are there are somebody else's."""
        if self._others is None:
            self._others = self._names()

    def roll_back(self) -> None:
        """Roll back those that are there since, and have lost their session."""
        for name in () if self._others is None else self._names() - self._others:
            try:
                self._run(f"XA ROLLBACK {name}")
            except Exception as error:
                if not error.args or error.args[0] not in _HARMLESS:
                    raise

    def _names(self) -> frozenset[str]:
        """As SQL writes them."""
        try:
            rows = self._run("XA RECOVER")
        except Exception as error:
            if not error.args or error.args[0] != _MAY_NOT_SEE:
                raise
            return frozenset()
        return frozenset(_name(*row) for row in rows)


def _name(form: int, length: int, _: int, data: bytes | str) -> str:
    whole = data if isinstance(data, bytes) else data.encode()
    return f"x'{whole[:length].hex()}', x'{whole[length:].hex()}', {form}"
