"""The probe of Huey fulfils the contract: what a worker enqueues is recorded, and sent to nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.huey import HueyProbe

huey = pytest.importorskip("huey")


class TestHueyProbe(ProbeContract):
    failures = (ConnectionError,)
    patched = (huey.api.Huey,)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.huey = huey.MemoryHuey("mail")
        self.task = self.huey.task(name="tell")(logging.info)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HueyProbe()]

    def job(self) -> None:
        self.task("hello")

    def state(self) -> int:
        return int(self.huey.pending_count() + self.recorded)
