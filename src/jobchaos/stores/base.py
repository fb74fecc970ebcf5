"""BaseStore: what stores share."""

from __future__ import annotations


class BaseStore:
    """A store with a name that needs no announcements and holds nothing open.

    Args:
        name: Short name for reports.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return self._name

    def announce(self, resource: str) -> None:
        """See `Store.announce`."""

    def close(self) -> None:
        """See `Store.close`."""
