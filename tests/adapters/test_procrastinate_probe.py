"""The probe of Procrastinate fulfils the contract: what a worker defers is recorded, and stored nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.procrastinate import ProcrastinateProbe

procrastinate = pytest.importorskip("procrastinate")
testing = pytest.importorskip("procrastinate.testing")
manager = pytest.importorskip("procrastinate.manager")


class TestProcrastinateProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (procrastinate.exceptions.ConnectorException,)
    patched: Sequence[object] = (manager.JobManager,)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.connector = testing.InMemoryConnector()
        app = procrastinate.App(connector=self.connector)

        @app.task(name="tell", queue="mail")
        def tell(text: str) -> None: ...

        self.task = tell

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [ProcrastinateProbe()]

    def job(self) -> None:
        assert self.task.defer(text="hello")

    def state(self) -> int:
        return len(self.connector.jobs) + self.recorded


class TestProcrastinateProbeWithCoroutines(TestProcrastinateProbe):
    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [ProcrastinateProbe()]

    def job(self) -> None:
        asyncio.run(self._defer())

    async def _defer(self) -> None:
        assert await self.task.defer_async(text="hello")
