"""LogProbe: dead men do not write. What libraries log while a killed worker's stack unwinds is no news of the job's."""

from __future__ import annotations

import logging

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches


class LogProbe(BaseProbe):
    """Drops what a dead worker logs."""

    def __init__(self) -> None:
        self._patches = Patches()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        genuine = logging.Logger.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            worker = control.current()
            if worker is None or not worker.dead:
                genuine(logger, record)

        self._patches.set(logging.Logger, "handle", handle)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
