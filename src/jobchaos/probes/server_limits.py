"""Limits: after which time a session of PostgreSQL's gives up its statements, as set by whoever set it last."""

from __future__ import annotations

import re

LOCK, STATEMENT = "lock_timeout", "statement_timeout"
_NAMES = f"{LOCK}|{STATEMENT}"
_VALUE = r"\s*'?\s*(?P<value>default|\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|min|h|d)?\b"
_SET = re.compile(rf"\bset\s+(?:(?P<scope>local|session)\s+)?(?P<name>{_NAMES})\s*(?:=|\bto\b){_VALUE}", re.IGNORECASE)
_SET_CONFIG = re.compile(
    rf"\bset_config\(\s*'(?P<name>{_NAMES})'\s*,{_VALUE}\s*'\s*,\s*(?P<scope>true|false)", re.IGNORECASE
)
_RESET = re.compile(rf"\s*(?:reset\s+(?P<name>all|{_NAMES})|discard\s+all)\b", re.IGNORECASE)
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
"""https://www.postgresql.org/docs/current/config-setting.html: without a unit these two are in milliseconds."""


class Limits:
    """The timeouts of one session, in milliseconds; 0 is none.

    Args:
        lock: For each wait for a lock, as the session begins.
        statement: For each statement.
    """

    def __init__(self, lock: int, statement: int) -> None:
        self._usual = {LOCK: lock, STATEMENT: statement}
        self._set = dict(self._usual)
        self._local: dict[str, int] = {}
        self.client = 0
        """After which the job's driver itself gives up the present statement."""

    @property
    def lock(self) -> int:
        """For each wait for a lock."""
        return self._local.get(LOCK, self._set[LOCK])

    @lock.setter
    def lock(self, milliseconds: int) -> None:
        self._set[LOCK] = milliseconds

    @property
    def statement(self) -> int:
        """For each statement."""
        return self._local.get(STATEMENT, self._set[STATEMENT])

    @property
    def whole(self) -> int:
        """What ends a statement, however it takes its time."""
        return min((limit for limit in (self.client, self.statement) if limit), default=0)

    @property
    def first(self) -> int:
        """What ends a wait for a lock."""
        return min((limit for limit in (self.lock, self.whole) if limit), default=0)

    @property
    def lock_is_first(self) -> bool:
        """True if a wait for a lock is given up because it is one."""
        return bool(self.lock) and self.lock == self.first

    @property
    def client_is_first(self) -> bool:
        """True if a statement that takes its time is given up by the driver."""
        return bool(self.client) and self.client == self.whole

    def read(self, sql: str) -> None:
        """Take note of what a statement sets."""
        for found in (*_SET.finditer(sql), *_SET_CONFIG.finditer(sql)):
            name = found["name"].lower()
            scope = (found["scope"] or "").lower()
            where = self._local if scope in ("local", "true") else self._set
            where[name] = self._milliseconds(name, found["value"].lower(), (found["unit"] or "ms").lower())
        reset = _RESET.match(sql)
        if reset is not None:
            named = reset["name"]
            for name in (LOCK, STATEMENT) if named is None or named.lower() == "all" else (named.lower(),):
                self._set[name] = self._usual[name]

    def transaction_over(self) -> None:
        """What was set for the transaction alone is forgotten."""
        self._local.clear()

    def _milliseconds(self, name: str, value: str, unit: str) -> int:
        return self._usual[name] if value == "default" else round(float(value) * _MILLISECONDS[unit])
