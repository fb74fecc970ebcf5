"""LogProbe: a job that is run a thousand times must not fill the test's captured log a thousand times.

And dead men do not write: what libraries log while a killed worker's stack unwinds is no news of the job's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches


class LogProbe(BaseProbe):
    """Drops what workers show by logging while nobody wants to see it, and what dead ones log.

    What is shown goes to streams that were there before the check: the test's captured log, standard error, a log file.
    Other handlers do what the job is about: they mail, or write a file that the job has opened.

    Args:
        is_quiet: Whether nobody does.
    """

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self._is_quiet = is_quiet
        self._patches = Patches()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        streams = {handler for handler in _handlers() if isinstance(handler, logging.StreamHandler)}
        log, show = logging.Logger.handle, logging.Handler.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            worker = control.current()
            if worker is None or not worker.dead:
                log(logger, record)

        def shown(handler: logging.Handler, record: logging.LogRecord) -> object:
            is_dropped = handler in streams and self._is_quiet() and control.current() is not None
            return False if is_dropped else show(handler, record)

        self._patches.set(logging.Logger, "handle", handle)
        self._patches.set(logging.Handler, "handle", shown)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()


def handlers() -> list[dict[str, Any]]:
    """The attributes of the handlers that do what a job is about. While one does it, it keeps its lock."""
    return [vars(handler) for handler in _handlers() if not isinstance(handler, logging.StreamHandler)]


def _handlers() -> list[logging.Handler]:
    known = (reference() for reference in logging._handlerList)  # type: ignore[attr-defined]  # noqa: SLF001
    return [handler for handler in known if handler is not None]
