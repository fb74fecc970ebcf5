"""EffectLedger: foreign effects of one kind, which nobody can take back."""

from __future__ import annotations

from jobchaos.core.effect import Foreign
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.stores.base import BaseStore

_COLUMNS = {
    "mail": ("to", "subject", "from", "body"),
    "http": ("method", "url", "body"),
    "queue": ("queue", "task", "arguments"),
    "pubsub": ("channel", "message"),
}
"""Fixed, so that an empty ledger and a full one are the same table."""


class EffectLedger(BaseStore):
    """Counts an effect once for each identity, and every time if it has none.

    Args:
        name: The ledger: `mail`, `http`, `queue` or `pubsub`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._rows: list[Row] = []
        self._seen: set[tuple[str, ...]] = set()

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource.startswith(f"{self.name}:")

    def record(self, foreign: Foreign) -> None:
        """See `Ledger.record`."""
        if self.is_news(foreign):
            self._rows.append(foreign.values)

    def knows(self, foreign: Foreign) -> bool:
        """See `Recognising.knows`."""
        return foreign.identity is not None and foreign.identity in self._seen

    def is_news(self, foreign: Foreign) -> bool:
        """True if it has no identity, or one that comes for the first time."""
        is_known = self.knows(foreign)
        if foreign.identity is not None:
            self._seen.add(foreign.identity)
        return not is_known

    def capture(self) -> None:
        """See `Store.capture`: nothing has happened yet."""
        self.restore()

    def restore(self) -> None:
        """See `Store.restore`."""
        self._rows.clear()
        self._seen.clear()

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return Snapshot({self.name: Table(_COLUMNS.get(self.name, ()), tuple(self._rows))})

    def hold(self) -> tuple[list[Row], set[tuple[str, ...]]]:
        """See `Returnable.hold`."""
        return list(self._rows), set(self._seen)

    def put_back(self, held: tuple[list[Row], set[tuple[str, ...]]]) -> None:
        """See `Returnable.put_back`."""
        rows, seen = held
        self._rows, self._seen = list(rows), set(seen)
