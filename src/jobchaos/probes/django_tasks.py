"""DjangoTasksProbe: tasks that a job enqueues by `django.tasks` or its backport."""

from __future__ import annotations

import functools
import sys
from typing import Any

from jobchaos.core.task_result import task_result
from jobchaos.probes.queue import QueueProbe


class DjangoTasksProbe(QueueProbe):
    """Makes a step of `enqueue` and `aenqueue`, of every class of backends.

    A task is recorded, and not run: what ImmediateBackend does at once, production does later.

    Args:
        package: `django.tasks` or `django_tasks`.
        follow: See `QueueProbe`.
    """

    system = "Django tasks"

    def __init__(self, package: str, *, follow: bool = False) -> None:
        super().__init__(follow=follow)
        self.library = f"{package}.backends.base"
        self._base = f"{package}.base"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        waiting: list[Any] = [sys.modules[self.library].BaseTaskBackend]
        while waiting:
            kind = waiting.pop()
            waiting += kind.__subclasses__()
            if "enqueue" in vars(kind):
                self._watch(kind)
            if "aenqueue" in vars(kind):
                self._watch_later(kind)

    def _watch(self, kind: Any) -> None:
        genuine = kind.enqueue

        def watched(backend: Any, task: Any, args: Any, kwargs: Any) -> Any:
            if not self.is_ours():
                return genuine(backend, task, args, kwargs)
            return self._enqueued(backend, task, args, kwargs)

        self.patches.set(kind, "enqueue", watched)

    def _watch_later(self, kind: Any) -> None:
        genuine = kind.aenqueue

        async def watched(backend: Any, task: Any, args: Any, kwargs: Any) -> Any:
            if not self.is_ours():
                return await genuine(backend, task, args, kwargs)
            return self._enqueued(backend, task, args, kwargs)

        self.patches.set(kind, "aenqueue", watched)

    def _enqueued(self, backend: Any, task: Any, args: Any, kwargs: Any) -> Any:
        refused = functools.partial(_refused, backend)
        path = {"path": task.module_path}
        self.enqueue(task.queue_name, task.name, args, kwargs, options=path, failure=refused)
        base = sys.modules[self._base]
        return task_result(base, task, args, kwargs, id="jobchaos", backend=backend.alias, workers=0)


def _refused(backend: Any) -> Exception:
    if type(backend).__name__ != "DatabaseBackend":
        return ConnectionError("connection refused")
    from django.db import OperationalError

    error: Exception = OperationalError("server closed the connection unexpectedly")
    return error
