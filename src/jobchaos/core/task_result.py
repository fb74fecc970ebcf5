"""What a backend of Django's tasks knows of one task, of the class of `django.tasks` or of its backport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def task_result(
    base: Any,
    task: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    id: str,  # noqa: A002 - Django's word
    backend: str,
    workers: int,
) -> Any:
    """A `TaskResult` of a task that is being run, or that nobody has run yet.

    Args:
        base: The package's module `base`.
        task: The task.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        id: The result's id.
        backend: The alias of its backend.
        workers: How many workers have had it: its attempts.
    """
    status = base.TaskResultStatus.RUNNING if workers else base.TaskResultStatus.READY
    times = dict.fromkeys(("enqueued_at", "started_at", "finished_at", "last_attempted_at"))
    return base.TaskResult(
        task=task,
        id=id,
        status=status,
        **times,
        args=list(args),
        kwargs=dict(kwargs),
        backend=backend,
        errors=[],
        worker_ids=["jobchaos"] * workers,
    )
