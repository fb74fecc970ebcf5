"""The probe of Django's tasks fulfils the contract: what a worker enqueues is recorded, and given to no backend."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.django_tasks import DjangoTasksProbe
from tests.adapters import django_site

if importlib.util.find_spec("django_tasks") is None:
    pytest.skip("django-tasks is not installed", allow_module_level=True)
django_site.ready()


def tell(text: str) -> None:
    """What is never done here."""


class TestDjangoTasksProbe(ProbeContract):
    package = "django_tasks"
    failures: tuple[type[Exception], ...] = (ConnectionError,)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        if importlib.util.find_spec(self.package) is None:
            pytest.skip(f"{self.package} came with Django 6")
        tasks = importlib.import_module(self.package)
        self.backend: Any = importlib.import_module(f"{self.package}.backends.dummy").DummyBackend("dummy", {})
        self.task = tasks.task(tell)
        self.patched = (type(self.backend), *type(self.backend).__mro__[1:-1])

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [DjangoTasksProbe(self.package)]

    def job(self) -> None:
        assert self.backend.enqueue(self.task, ("hello",), {}).id

    def state(self) -> int:
        return len(self.backend.results) + self.recorded


class TestDjangoTasksProbeWithCoroutines(TestDjangoTasksProbe):
    def job(self) -> None:
        assert asyncio.run(self.backend.aenqueue(self.task, ("hello",), {})).id


class TestDjangoTasksProbeOfDjangoItself(TestDjangoTasksProbe):
    package = "django.tasks"


class TestDjangoTasksProbeOfADatabase(TestDjangoTasksProbe):
    failures = (importlib.import_module("django.db").OperationalError,)

    @pytest.fixture(autouse=True)
    def choose(self, prepare: None) -> None:
        kind = type("DatabaseBackend", (type(self.backend),), {})  # as the one that keeps tasks in tables is called
        self.backend = kind("database", {})
