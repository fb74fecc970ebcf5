"""Followed: the jobs that the jobs of one check enqueue, if they are to be run, too."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

from jobchaos.adapters import child_of
from jobchaos.core.job import Job
from jobchaos.core.sent import Sent
from jobchaos.core.terms import Terms
from jobchaos.engine.following import Following
from jobchaos.engine.stage import Stage
from jobchaos.stores.backlog import Backlog


class Followed:
    """Finds what a message stands for.

    Args:
        jobs: The jobs of the check; several are of one copy each.
        delivery: See `Settings.delivery`.

    Attributes:
        backlog: The store of what is still to be delivered.
    """

    def __init__(self, jobs: Sequence[Job], delivery: str) -> None:
        self.backlog = Backlog(self._is_followed)
        self._parents = dict(zip(string.ascii_uppercase, jobs, strict=False)) if len(jobs) > 1 else {}
        self._only = jobs[0]
        self._delivery = delivery
        self._tasks: dict[tuple[str, str], Job | None] = {}

    def following(
        self, job: Job, body: Callable[[], object], deliver: Callable[[Job], Callable[[], object]], stage: Stage
    ) -> Following:
        """What runs one job of the check, and then those that it has enqueued.

        Args:
            job: The job.
            body: Runs it once.
            deliver: Gives what runs a job that was sent.
            stage: What all workers of the check share.
        """

        def terms_of(sent: Sent | None) -> Terms | None:
            return job.terms if sent is None else self._job(sent).terms

        def body_of(sent: Sent) -> Callable[[], object]:
            return deliver(self._job(sent))

        return Following(job.name, body, body_of, terms_of, self._delivery, self.backlog.line, stage)

    def notes(self) -> list[str]:
        """What a verdict must say of the jobs that were enqueued."""
        run = sorted(job.name for job in self._tasks.values() if job is not None)
        compared = sorted(task for (_, task), job in self._tasks.items() if job is None)
        return [
            *([f"run as well, each after the job that enqueues it: {', '.join(run)}"] if run else []),
            *([f"enqueued and not run, as {_UNKNOWN}: {', '.join(compared)}"] if compared else []),
        ]

    def _is_followed(self, sent: Sent) -> bool:
        task = sent.system, sent.task
        if task not in self._tasks:
            self._tasks[task] = child_of(self._parent(sent), sent) if sent.system and sent.task else None
        return self._tasks[task] is not None

    def _job(self, sent: Sent) -> Job:
        job = child_of(self._parent(sent), sent)
        if job is None:
            raise LookupError(f"{sent.task} could be told when it was sent, and cannot be now")
        return job

    def _parent(self, sent: Sent) -> Job:
        return self._parents.get(sent.copy, self._only)


_UNKNOWN = "they are not known here, or the job that enqueues them is none of their system"
