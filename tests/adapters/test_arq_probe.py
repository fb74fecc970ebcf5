"""The probe of arq fulfils the contract: what a worker enqueues is recorded, and sent to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.arq import ArqProbe
from jobchaos.probes.bindings import Bindings
from tests.adapters.reality import redis_url

arq = pytest.importorskip("arq")
redis = pytest.importorskip("redis")
QUEUE = "jobchaos_test_arq_probe"


class TestArqProbe(ProbeContract):
    failures = (redis.ConnectionError,)
    patched = (arq.ArqRedis,)

    @pytest.fixture(autouse=True)
    def prepare(self) -> Iterator[None]:
        self.url = redis_url()
        with redis.Redis.from_url(self.url) as self.client:
            yield
            self.client.delete(QUEUE, *(f"arq:job:{name.decode()}" for name in self.client.zrange(QUEUE, 0, -1)))

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [ArqProbe()]

    def job(self) -> None:
        async def enqueue() -> Any:
            async with arq.ArqRedis.from_url(self.url) as pool:
                return await pool.enqueue_job("tell", "hello", _queue_name=QUEUE)

        job = asyncio.run(enqueue())
        assert job.job_id

    def state(self) -> int:
        return int(self.client.zcard(QUEUE) + self.recorded)
