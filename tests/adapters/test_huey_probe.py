"""The probe of Huey fulfils the contract: what a worker enqueues is recorded, and sent to nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.huey import HueyProbe
from tests.adapters.reality import redis_url

huey = pytest.importorskip("huey")


class TestHueyProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (ConnectionError,)
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


class TestHueyProbeOnRedis(TestHueyProbe):
    @pytest.fixture(autouse=True)
    def prepare(self) -> Iterator[None]:
        redis = pytest.importorskip("redis")
        self.failures = (redis.ConnectionError,)
        self.huey = huey.RedisHuey("jobchaos_test_huey_probe", url=redis_url())
        self.task = self.huey.task(name="tell")(logging.info)
        yield
        self.huey.storage.flush_all()
        self.huey.storage.conn.close()
