"""DjangoOutbox and DjangoCacheStore: what Django keeps in this process's memory in the place of a server."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from typing import Any

from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.stores.base import BaseStore
from jobchaos.stores.ledger import EffectLedger
from jobchaos.stores.rendering import cell_of

_MAIL = "django.core.mail"
_LOCMEM = "django.core.cache.backends.locmem"


class DjangoOutbox(EffectLedger):
    """The ledger of mails, which keeps `django.core.mail.outbox` in step."""

    def __init__(self) -> None:
        super().__init__("mail")
        self._initial: list[Any] = []

    @staticmethod
    def exists() -> bool:
        """True while Django's test environment is set up."""
        return hasattr(sys.modules.get(_MAIL), "outbox")

    def capture(self) -> None:
        """See `Store.capture`."""
        self._initial = list(_outbox())
        super().capture()

    def restore(self) -> None:
        """See `Store.restore`."""
        super().restore()
        _outbox()[:] = self._initial

    def hold(self) -> Any:
        """See `Returnable.hold`."""
        return super().hold(), list(_outbox())

    def put_back(self, held: Any) -> None:
        """See `Returnable.put_back`."""
        ledger, _outbox()[:] = held
        super().put_back(ledger)


class DjangoCacheStore(BaseStore):
    """One cache in local memory.

    Args:
        location: Its name, `LOCATION` in Django's settings.
    """

    in_process = True

    def __init__(self, location: str) -> None:
        super().__init__("cache" if not location else f"cache {location}")
        self._location = location
        self._initial: tuple[dict[str, Any], dict[str, Any]] = {}, {}

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        base = f"cache:{self._location}"
        return resource == base or resource.startswith(f"{base}/")

    def capture(self) -> None:
        """See `Store.capture`."""
        self._initial = self.hold()

    def restore(self) -> None:
        """See `Store.restore`."""
        self.put_back(self._initial)

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`. When entries expire is left to the cache."""
        rows: list[Row] = [(key, cell_of(pickle.loads(value))) for key, value in self._content.items()]  # noqa: S301 - as Django does
        return Snapshot({self.name: Table(("key", "value"), tuple(rows), ("key",))})

    def hold(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `Returnable.hold`."""
        return dict(self._content), dict(self._expiry)

    def put_back(self, held: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """See `Returnable.put_back`."""
        for present, wanted in zip((self._content, self._expiry), held, strict=True):
            present.clear()
            present.update(wanted)

    @property
    def _content(self) -> OrderedDict[str, Any]:
        content: OrderedDict[str, Any] = sys.modules[_LOCMEM]._caches[self._location]  # noqa: SLF001
        return content

    @property
    def _expiry(self) -> dict[str, Any]:
        expiry: dict[str, Any] = sys.modules[_LOCMEM]._expire_info[self._location]  # noqa: SLF001
        return expiry


def _outbox() -> list[Any]:
    outbox: list[Any] = sys.modules[_MAIL].outbox
    return outbox
