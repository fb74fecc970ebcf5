"""Stores of what Django keeps fulfil the contract of stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from shop.models import Order, Receipt

from jobchaos.conformance import LedgerContract, StoreContract
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Store
from jobchaos.stores.django import DjangoTransactionStore
from jobchaos.stores.django_memory import DjangoCacheStore, DjangoOutbox


@pytest.mark.django_db
class CheckDjangoTransactionStore(StoreContract):
    resource = "django:default"
    foreign = "django:archive"

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        Order.objects.create(email="ann@example.com")

    def make(self) -> Store:
        return DjangoTransactionStore(connection.alias)

    def change(self, store: Store, number: int) -> None:
        Order.objects.update(email=f"{number}@example.com")
        Receipt.objects.all().delete()
        Receipt.objects.create(number=str(number))


class CheckDjangoCacheStore(StoreContract):
    resource = "cache:"
    foreign = "cache:another/key"

    @pytest.fixture(autouse=True)
    def prepare(self) -> Iterator[None]:
        cache.set("old", "value")
        yield
        cache.clear()

    def make(self) -> Store:
        return DjangoCacheStore("")

    def change(self, store: Store, number: int) -> None:
        cache.set_many({"old": number, "new": [number]})


class CheckDjangoOutbox(LedgerContract):
    resource = "mail:ann@example.com"

    def make(self) -> Store:
        return DjangoOutbox()

    def foreign_effect(self, number: int, identity: tuple[str, ...] | None = None) -> Foreign:
        return Foreign("mail", ("to", "subject", "from", "body"), ("ann@example.com", str(number), "", ""), identity)

    def test_the_outbox_is_kept_in_step(self) -> None:
        with self._captured() as store:
            mail.outbox.append("one")
            store.restore()
            assert mail.outbox == []
