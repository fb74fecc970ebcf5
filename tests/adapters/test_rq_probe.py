"""The probe of RQ fulfils the contract: what a worker enqueues is recorded, and sent to nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import fakeredis
import pytest
import redis

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.rq import RQProbe

rq = pytest.importorskip("rq")


class TestRQProbe(ProbeContract):
    failures = (redis.ConnectionError,)
    patched = (rq.Queue,)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.queue = rq.Queue("mail", connection=fakeredis.FakeStrictRedis())

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [RQProbe()]

    def job(self) -> None:
        self.queue.enqueue(logging.info, "hello", job_id=None)

    def state(self) -> int:
        return int(self.queue.count + self.recorded)
