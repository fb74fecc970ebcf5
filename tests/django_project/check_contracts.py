"""Stores of what Django keeps, and probes of what it does, fulfil their contracts."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.core.mail.backends.locmem import EmailBackend
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from shop.models import Order, Receipt

from jobchaos.conformance import LedgerContract, ProbeContract, StoreContract
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Probe, Store
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.django import DjangoProbe
from jobchaos.probes.django_cache import DjangoCacheProbe
from jobchaos.probes.django_mail import DjangoMailProbe
from jobchaos.probes.sqlite import SQLiteProbe
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


@pytest.mark.django_db(transaction=True)
class CheckDjangoProbe(ProbeContract):
    failures = (OperationalError,)
    patched = (BaseDatabaseWrapper,)
    survives_forks = False  # a database in memory

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [SQLiteProbe(bindings), DjangoProbe()]

    def job(self) -> None:
        with transaction.atomic():
            Order.objects.create(email="ann@example.com")

    def state(self) -> int:
        return int(Order.objects.count())


class CheckDjangoCacheProbe(ProbeContract):
    failures = (ConnectionError,)
    patched = (LocMemCache,)
    survives_forks = False

    @pytest.fixture(autouse=True)
    def prepare(self) -> Iterator[None]:
        cache.set("orders", 0)
        yield
        cache.clear()

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [DjangoCacheProbe()]

    def job(self) -> None:
        cache.incr("orders")

    def state(self) -> int:
        return int(cache.get("orders"))


class CheckDjangoMailProbe(ProbeContract):
    failures = (smtplib.SMTPException,)
    patched = (EmailBackend,)
    survives_forks = False

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [DjangoMailProbe("locmem")]

    def job(self) -> None:
        mail.send_mail("Thank you", "It is on its way", "shop@example.com", ["ann@example.com"])

    def state(self) -> int:
        return len(mail.outbox)
