"""SpawnProbe: notices threads and processes of the job's own, whose effects nobody controls, and an end of ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from jobchaos.core.ports import Control
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings

_PROCESS_EVENTS = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec")
_ADVICE = (
    "its effects can be neither ordered nor killed with the job. Start it outside the job, or check what it does as a "
    "job of its own"
)
_NOT_YOURS = "a worker process is not the job's to end. Raise an exception, or let the job return"


class SpawnProbe(BaseProbe):
    """Reports JC906 for every thread or process that a controlled worker starts.

    A worker that is a thread of the test's process must not end that (`os._exit`): nobody would hear of any test. It is
    JC911 then, and the attempt alone ends.

    Args:
        bindings: Finds other names of `os.fork`.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._patches = Patches()
        self._control: Control | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        start = threading.Thread.start

        def watched(thread: threading.Thread) -> None:
            if not _is_asyncio_s(thread):
                self._report("a thread")
            start(thread)

        self._patches.set(threading.Thread, "start", watched)  # no audit event before Python 3.12
        submit = ThreadPoolExecutor.submit

        def submitted(executor: ThreadPoolExecutor, /, *args: Any, **kwargs: Any) -> Any:
            self._report("a thread")  # it may have been started before
            return submit(executor, *args, **kwargs)

        self._patches.set(ThreadPoolExecutor, "submit", submitted)
        if hasattr(os, "fork"):
            genuine = self._patches.set(os, "fork", self._fork(os.fork))
            self._bindings.replace(genuine, os.fork)
        self._patches.set(os, "_exit", self._exit(os._exit, os.getpid()))
        for event in _PROCESS_EVENTS:
            subscribe(event, self._audit)

    def remove(self) -> None:
        """See `Probe.remove`."""
        for event in _PROCESS_EVENTS:
            unsubscribe(event, self._audit)
        self._patches.undo()
        self._control = None

    def _audit(self, _event: str, _args: tuple[Any, ...]) -> None:
        self._report("a process")

    def _fork(self, genuine: Callable[[], int]) -> Callable[[], int]:
        def fork() -> int:
            process = genuine()
            if not process and self._control is not None:
                self._control.let_go()  # the child has a copy of the worker, and must not act in its place
            return process

        return fork

    def _exit(self, genuine: Callable[[int], NoReturn], home: int) -> Callable[[int], NoReturn]:
        def _exit(status: int) -> NoReturn:
            worker = None if self._control is None else self._control.current()
            if worker is None or os.getpid() != home:
                genuine(status)
            worker.oddity("JC911", f"ends its own process (os._exit({status})): {_NOT_YOURS}")
            raise SystemExit(status)

        return _exit

    def _report(self, what: str) -> None:
        worker = None if self._control is None else self._control.current()
        if worker is not None:
            worker.oddity("JC906", f"starts {what} of its own: {_ADVICE}")


def _is_asyncio_s(thread: threading.Thread) -> bool:
    """True if all it does is to wait for a process."""
    target = vars(thread).get("_target")
    return getattr(target, "__module__", None) == "asyncio.unix_events"
