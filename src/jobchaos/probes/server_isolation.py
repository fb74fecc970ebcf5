"""Isolation: what a session's transactions see of others, and so what their order depends on besides the data."""

from __future__ import annotations

import re

from jobchaos.core.effect import Mode, Touch

_LEVEL = re.compile(r"\b(?:isolation\s+level|default_transaction_isolation\W+)\s*(\w+(?:\s+\w+)?)", re.IGNORECASE)
_FOR_GOOD = re.compile(r"\bset\s+session\s+characteristics\b|\bdefault_transaction_isolation\b", re.IGNORECASE)
_KEPT_VIEW = ("REPEATABLE READ", "SERIALIZABLE")


class Isolation:
    """The level of isolation of one session, as its statements set it.

    Args:
        base: Resource path of the database.
        usual: The level that the server begins with.
    """

    def __init__(self, base: str, usual: str) -> None:
        self._base = base
        self._usual = usual
        self.level = usual
        """Of the current transaction, in capitals."""
        self._has_view = False

    def read(self, sql: str, verb: str) -> None:
        """Learn from a statement.

        Args:
            sql: Its text.
            verb: Its first keyword, in capitals.
        """
        level = _LEVEL.search(sql) if verb in ("BEGIN", "START", "SET") else None
        if level is None:
            return
        self.level = " ".join(level.group(1).upper().split())
        self.level = next((known for known in _KEPT_VIEW if self.level.startswith(known)), self.level)
        if _FOR_GOOD.search(sql):
            self._usual = self.level

    def locks(self, *, durable: bool, begins: bool = False) -> tuple[Touch, ...]:
        """What a statement's order depends on because of the level; see `server_statement`.

        Args:
            durable: Whether others see at once what it changes.
            begins: Whether it is one that a transaction's view may begin with.
        """
        locks = []
        if durable:
            locks.append(Touch(f"{self._base}/@snapshot", Mode.APPEND))
        if begins and not self._has_view and self.level in _KEPT_VIEW:
            self._has_view = True
            locks.append(Touch(f"{self._base}/@snapshot", Mode.READ))
        if self.level == "SERIALIZABLE":
            locks.append(Touch(f"{self._base}/@serializable", Mode.WRITE))
        return tuple(locks)

    def enter(self, base: str) -> None:
        """What follows is about another database."""
        self._base = base

    def transaction_over(self) -> None:
        """The next one begins with the usual level, and sees anew."""
        self._has_view = False
        self.level = self._usual
