"""The probe of TaskIQ fulfils the contract: what a worker sends is recorded, and sent to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.taskiq import TaskiqProbe

taskiq = pytest.importorskip("taskiq")


class KeepingBroker(taskiq.InMemoryBroker):  # type: ignore[misc, name-defined]
    """Keeps messages, and has nobody execute them."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    async def kick(self, message: Any) -> None:
        self.kept.append(message)


class TestTaskiqProbe(ProbeContract):
    failures = (taskiq.exceptions.SendTaskError,)
    patched = (taskiq.AsyncBroker, taskiq.InMemoryBroker, KeepingBroker)

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.broker = KeepingBroker()

        @self.broker.task(task_name="tell")
        async def tell(text: str) -> None: ...

        self.task = tell

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [TaskiqProbe()]

    def job(self) -> None:
        asyncio.run(self._send())

    async def _send(self) -> None:
        sent = await self.task.kiq("hello")
        assert sent.task_id

    def state(self) -> int:
        return len(self.broker.kept) + self.recorded
