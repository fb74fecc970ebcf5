"""Automatic stores: which store a resource gets that none of the user's covers."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.address import Address
from jobchaos.core.ports import Store
from jobchaos.stores.django import DjangoTransactionStore
from jobchaos.stores.django_memory import DjangoCacheStore, DjangoOutbox
from jobchaos.stores.ledger import EffectLedger
from jobchaos.stores.redis_databases import redis_store
from jobchaos.stores.sqlite import SQLiteStore
from jobchaos.stores.touched_files import TouchedFiles


def store_for(resource: str, allow: Sequence[str]) -> Store | None:
    """A store for a resource; None if there is none for its kind.

    Args:
        resource: A path such as `sql:/tmp/app.db`.
        allow: Paths and databases that may be restored although they are not plainly test resources.
    """
    kind, _, rest = resource.partition(":")
    if kind == "sql" and rest.startswith("postgresql://"):
        return _server_store(resource, allow)
    if kind == "sql" and rest.startswith("mysql://"):
        return _mysql_store(resource, allow)
    if kind == "sql":
        return SQLiteStore(rest, allow=allow)
    if kind == "redis":
        return redis_store(resource, allow)
    if kind == "django":
        return DjangoTransactionStore(rest)
    if kind == "cache":
        return DjangoCacheStore(rest.partition("/")[0])
    if kind == "mail" and DjangoOutbox.exists():
        return DjangoOutbox()
    if kind in ("mail", "http", "queue", "pubsub"):
        return EffectLedger(kind)
    return TouchedFiles(allow) if kind in ("file", "temporary") else None


def _server_store(resource: str, allow: Sequence[str]) -> Store | None:
    if not isinstance(resource, Address):
        return None
    from jobchaos.stores.postgres import PostgresStore  # imports a driver

    return PostgresStore(resource.access, allow=allow, resource=str(resource))


def _mysql_store(resource: str, allow: Sequence[str]) -> Store | None:
    if not isinstance(resource, Address):
        return None
    from jobchaos.stores.mysql import MySQLStore

    return MySQLStore(resource.access, allow=allow, resource=str(resource))
