"""LogProbe: a job that is run a thousand times must not fill the test's captured log a thousand times.

And dead men do not write: what libraries log while a killed worker's stack unwinds is no news of the job's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches


class LogProbe(BaseProbe):
    """Drops what workers log while nobody wants to hear of it, and what dead ones do.

    Args:
        is_quiet: Whether nobody does.
    """

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self._is_quiet = is_quiet
        self._patches = Patches()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        genuine = logging.Logger.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            worker = control.current()
            if worker is None or not (worker.dead or self._is_quiet()):
                genuine(logger, record)

        self._patches.set(logging.Logger, "handle", handle)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
