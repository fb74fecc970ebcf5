"""CeleryResultsProbe: a worker that sends a task does not prepare its result backend to be waited at."""

from __future__ import annotations

import sys
from typing import Any

from jobchaos.probes.library import LibraryProbe


class CeleryResultsProbe(LibraryProbe):
    """Celery subscribes to the result of a task before it sends the task. What is sent to nobody has no result.

    Args:
        backend: A module of `celery.backends`, whose backend is called after it.
    """

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.library = f"celery.backends.{backend}"
        self._class = f"{backend.upper() if backend == 'rpc' else backend.capitalize()}Backend"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        owner = getattr(sys.modules[self.library], self._class)
        genuine = owner.on_task_call

        def watched(backend: Any, producer: Any, task_id: str) -> Any:
            return genuine(backend, producer, task_id) if self.worker() is None else {}

        self.patches.set(owner, "on_task_call", watched)
