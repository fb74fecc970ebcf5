"""ProcrastinateProbe: jobs that a job defers in Procrastinate."""

from __future__ import annotations

import inspect
from typing import Any

from jobchaos.probes.queue import QueueProbe


class ProcrastinateProbe(QueueProbe):
    """Makes a step of each job that `JobManager` stores. A second one with the same queueing lock is refused."""

    library = "procrastinate.manager"
    system = "Procrastinate"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from procrastinate.manager import JobManager

        for name in ("batch_defer_jobs", "batch_defer_jobs_async"):  # all others end in these
            self._watch(JobManager, name)

    def _watch(self, manager_class: Any, name: str) -> None:
        genuine = getattr(manager_class, name)

        def watched(manager: Any, jobs: Any, *args: Any, **options: Any) -> Any:
            if not self.is_ours():
                return genuine(manager, jobs, *args, **options)
            return self._deferred(jobs)

        async def watched_later(manager: Any, jobs: Any, *args: Any, **options: Any) -> Any:
            if not self.is_ours():
                return await genuine(manager, jobs, *args, **options)
            return self._deferred(jobs)

        self.patches.set(manager_class, name, watched_later if inspect.iscoroutinefunction(genuine) else watched)

    def _deferred(self, jobs: Any) -> list[Any]:
        for job in jobs:
            key = job.queueing_lock or ""
            known = {name: getattr(job, name) for name in _KNOWN}
            contents = job.queue, job.task_name, (), job.task_kwargs
            is_new = self.enqueue(*contents, key=key, lock=job.lock or "", options=known, failure=_unreachable)
            if not is_new:
                raise _refused(key)
        return [job.evolve(id=number, status="todo") for number, job in enumerate(jobs, 1)]


_KNOWN = ("queue", "priority", "queueing_lock")


def _refused(queueing_lock: str) -> Exception:
    from procrastinate.exceptions import AlreadyEnqueued

    error: Exception = AlreadyEnqueued(
        f"Job cannot be enqueued: there is already a job in the queue with the queueing lock {queueing_lock}"
    )
    return error


def _unreachable() -> Exception:
    from procrastinate.exceptions import ConnectorException

    error: Exception = ConnectorException()  # it has a text of its own
    return error
