"""The probe of Dramatiq fulfils the contract: what a worker enqueues is recorded, and sent to nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.dramatiq import DramatiqProbe

dramatiq = pytest.importorskip("dramatiq")
stub = pytest.importorskip("dramatiq.brokers.stub")


class TestDramatiqProbe(ProbeContract):
    failures = (dramatiq.errors.ConnectionClosed,)
    patched = (dramatiq.Broker, stub.StubBroker)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.broker = stub.StubBroker()
        self.actor = dramatiq.actor(logging.info, broker=self.broker, actor_name="tell", queue_name="mail")

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [DramatiqProbe()]

    def job(self) -> None:
        self.actor.send("hello")

    def state(self) -> int:
        return int(self.broker.queues["mail"].qsize() + self.recorded)
