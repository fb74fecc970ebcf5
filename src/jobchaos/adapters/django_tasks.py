"""DjangoTasksAdapter: tasks of `django.tasks` (Django 6) and of its backport `django_tasks`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.adapters.retries import deliver
from jobchaos.core.adapter import Around
from jobchaos.core.attempts import attempt
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.sent import Sent
from jobchaos.core.task_result import task_result
from jobchaos.core.terms import AfterKill, Terms

_PACKAGES = ("django.tasks", "django_tasks")
_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-646a616e676f")
_AFTER_KILL = {
    "DatabaseBackend": (AfterKill.STUCK, "its row stays RUNNING, and no worker looks for it"),
    "RQBackend": (AfterKill.LOST, "RQ puts it into the FailedJobRegistry, as it has no Retry"),
    "ImmediateBackend": (AfterKill.LOST, "ImmediateBackend runs it inside its caller, which dies, too"),
}
_UNKNOWN = AfterKill.LOST, "the API of tasks promises no redelivery"


class DjangoTasksAdapter:
    """See `Adapter`."""

    name = "Django tasks"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return any(isinstance(thing, package.base.Task | package.base.TaskResult) for package in _imported())

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`. An enqueued result carries its own arguments."""
        base = sys.modules[type(thing).__module__]
        if isinstance(thing, base.TaskResult):
            return Job.of(self.job(thing.task, tuple(thing.args), dict(thing.kwargs)), args, kwargs)
        task = thing

        @functools.wraps(task.func)
        def call(*args: Any, **kwargs: Any) -> Any:
            context = (base.TaskContext(task_result=_result(base, task, args, kwargs)),) if task.takes_context else ()
            return deliver(functools.partial(task.func, *context, *args, **kwargs), lambda error, _: GivenUp(error))

        signature = inspect.signature(task.func)
        shown = list(signature.parameters.values())[1 if task.takes_context else 0 :]
        call.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        job = Job.delivered(call, args, kwargs, name=task.name, terms=_terms(task))
        return job.with_policy(RetryPolicy(executions=1, source="Django tasks, which know no retries"))

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        module, _, name = sent.options["path"].rpartition(".")
        try:
            task = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            return None
        return self.job(task, sent.args, sent.kwargs) if self.recognises(task) else None

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: all backends run a task by `Task.call` or `Task.acall`."""
        with replacing() as replace, DirectCalls(around) as direct:
            for package in _imported():
                for name in ("call", "acall"):
                    replace(package.base.Task, name, _handed_over(getattr(package.base.Task, name), around))
                direct.watch_made(
                    replace,
                    package.base.Task,
                    lambda task: (task.func, task.module_path, lambda: _terms(task)),
                    made_in="__post_init__",
                )
            yield


def _imported() -> Iterator[ModuleType]:
    return (sys.modules[name] for name in _PACKAGES if sys.modules.get(f"{name}.base") is not None)


def _handed_over(call: Callable[..., Any], around: Around) -> Callable[..., Any]:
    is_async = inspect.iscoroutinefunction(call)

    def called(task: Any, *args: Any, **kwargs: Any) -> Any:
        result = getattr(args[0], "task_result", None) if task.takes_context and args else None
        run: Callable[[], Any] = functools.partial(call, task, *args, **kwargs)
        described = task.module_path, defined_at(task.func), "" if result is None else str(result.id), _terms(task)
        return around(Executing(*described, run, is_async=is_async))

    return called


def _result(base: Any, task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What a backend knows of the task while it runs; its attempts are the workers that have had it."""
    made_of = f"{task.module_path}{args!r}{sorted(kwargs.items())!r}"
    return task_result(
        base, task, args, kwargs, id=str(uuid.uuid5(_IDS, made_of)), backend=task.backend, workers=attempt()
    )


def _terms(task: Any) -> Terms:
    backend = type(task.get_backend()).__name__
    after_kill, because = _AFTER_KILL.get(backend, _UNKNOWN)
    return Terms(
        system="Django tasks",
        level="body",
        after_kill=after_kill,
        because=because,
        setting="a backend that delivers again, or a job that finds unfinished work and enqueues it again",
        retries="a job that finds unfinished work and enqueues it again (the API of tasks knows no retries)",
        duplicates="a second enqueue(), or a backend that delivers at least once",
        dead_letter="in its backend, with status FAILED",
        remarks=(f"the backend of these tests is {backend}; what production does, its own backend decides",),
    )
