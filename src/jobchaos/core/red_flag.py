"""RedFlag: what tells people that a job was given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jobchaos.core.ignore import Ignore
from jobchaos.core.snapshot import State, Table
from jobchaos.core.trace import Happening, Trace
from jobchaos.errors import UsageError

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
"""Those of the standard library's `logging`."""

_TO_BE_SEEN = ("log", "call")
"""Kinds that leave nothing behind, so that they must be seen when they happen."""


@dataclass(frozen=True, slots=True)
class RedFlag:
    """What is to happen exactly once when a job is given up; made by one of the class methods.

    Attributes:
        kind: `log`, `call`, `row`, `mail` or `request`.
        where: The logger (empty for all of them), the function's name, the table, the address or the URL.
        level: Of `log`: the lowest level that counts.
        function: Of `call`: the function, if it was given itself.
        subject: Of `mail`: what the subject contains.
        leaves: Tables and columns that a job that was given up may leave changed, written as for `ignore`: a status
            that says `failed`, the number of tries. Everything else must be as it was before.
    """

    kind: str
    where: str
    level: int = 0
    function: Callable[..., Any] | None = None
    subject: str = ""
    leaves: Iterable[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.leaves, str):
            raise UsageError(f'leaves must be a list of tables or columns: ["{self.leaves}"], not "{self.leaves}"')
        object.__setattr__(self, "leaves", Ignore.parse(tuple(self.leaves)).patterns)

    @classmethod
    def log(cls, level: int | str = "ERROR", *, logger: str = "", leaves: Iterable[str] = ()) -> RedFlag:
        """A log record of this level or above, by any logger or by this one and those below it."""
        number = level if isinstance(level, int) else _LEVELS.get(level)
        if number is None:
            raise UsageError(f"there is no log level {level!r}; known are {', '.join(_LEVELS)}, and numbers")
        return cls("log", logger, level=number, leaves=leaves)

    @classmethod
    def call(cls, function: Callable[..., Any] | str, *, leaves: Iterable[str] = ()) -> RedFlag:
        """A call of this function: the function itself, or where it is found, as in `"shop.alerts.page"`."""
        if isinstance(function, str):
            if "." not in function:
                raise UsageError(f"{function!r} names no function: write its module, too, as in 'shop.alerts.page'")
            return cls("call", function, leaves=leaves)
        if not callable(function):
            raise UsageError(f"a red flag is a function, or the name of one, got {function!r}")
        return cls("call", getattr(function, "__qualname__", repr(function)), function=function, leaves=leaves)

    @classmethod
    def row(cls, table: str, *, leaves: Iterable[str] = ()) -> RedFlag:
        """A new row of this table: a dead letter."""
        return cls("row", table, leaves=leaves)

    @classmethod
    def mail(cls, to: str = "", *, subject: str = "", leaves: Iterable[str] = ()) -> RedFlag:
        """A mail to this address, or with these words in its subject."""
        if not to and not subject:
            raise UsageError("any mail could be the red flag: say to whom it goes, or what its subject contains")
        return cls("mail", to, subject=subject, leaves=leaves)

    @classmethod
    def request(cls, url: str, *, leaves: Iterable[str] = ()) -> RedFlag:
        """An HTTP request whose URL contains this."""
        return cls("request", url, leaves=leaves)

    def __str__(self) -> str:
        if self.kind == "log":
            logger = f" of logger {self.where}" if self.where else ""
            names = {number: name for name, number in _LEVELS.items()}
            return f"a log record{logger} at {names.get(self.level, self.level)} or above"
        if self.kind == "mail":
            parts = (f"to {self.where}" if self.where else "", f"about {self.subject!r}" if self.subject else "")
            return " ".join(("a mail", *filter(None, parts)))
        return {
            "call": f"a call of {self.where}",
            "row": f"a row of {self.where}",
            "request": f"a request to {self.where}",
        }[self.kind]

    @property
    def is_seen_at_once(self) -> bool:
        """True if it leaves nothing behind by which it could be counted afterwards."""
        return self.kind in _TO_BE_SEEN

    def times(self, trace: Trace, state: State, initial: State) -> int:
        """How often it was raised in a run.

        Args:
            trace: What happened.
            state: What was left.
            initial: What there was before.
        """
        if self.is_seen_at_once:
            return sum(event.happening is Happening.FLAGGED for event in trace.events)
        return self._rows(state) - self._rows(initial)

    def without(self, state: State) -> State:
        """A state without what the red flag itself leaves, and without what may be left with it."""
        plain = Ignore(tuple(self.leaves)).apply(state)
        return {
            store: type(snapshot)({name: self._stripped(name, table) for name, table in snapshot.tables.items()})
            for store, snapshot in plain.items()
        }

    def _rows(self, state: State) -> int:
        tables = [(name, table) for snapshot in state.values() for name, table in snapshot.tables.items()]
        return sum(len(table.rows) - len(self._stripped(name, table).rows) for name, table in tables)

    def _stripped(self, name: str, table: Table) -> Table:
        rows = tuple(row for row in table.rows if not self._is_flag(name, dict(zip(table.columns, row, strict=True))))
        return table if len(rows) == len(table.rows) else Table(table.columns, rows, table.key, table.generated)

    def _is_flag(self, name: str, row: dict[str, Any]) -> bool:
        if self.kind == "row":
            return name == self.where
        if self.kind == "mail":
            meant = self.where in str(row.get("to")) and self.subject in str(row.get("subject"))
            return name == "mail" and meant
        return self.kind == "request" and name == "http" and self.where in str(row.get("url"))
