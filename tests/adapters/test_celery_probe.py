"""The probe of Celery fulfils the contract: what a worker enqueues is recorded, and sent to nobody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.kombu import KombuProbe

kombu = pytest.importorskip("kombu")
exceptions = pytest.importorskip("kombu.exceptions")


class TestKombuProbe(ProbeContract):
    failures = (exceptions.OperationalError,)
    patched = (kombu.Producer,)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.connection = kombu.Connection("memory://")
        self.queue = self.connection.SimpleQueue("mail")
        self.queue.clear()

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [KombuProbe()]

    def job(self) -> None:
        self.queue.put("hello")

    def state(self) -> int:
        return int(self.queue.qsize() + self.recorded)
