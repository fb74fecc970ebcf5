"""CeleryAdapter: tasks and signatures of Celery, delivered as its worker does, without worker, broker or backend."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import celery
import celery.app.task
import celery.app.trace
from celery.backends.base import DisabledBackend
from celery.canvas import Signature
from celery.exceptions import SoftTimeLimitExceeded

from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.core.adapter import Around
from jobchaos.core.job import Job
from jobchaos.core.terms import AfterKill, Terms
from jobchaos.errors import UsageError

_LATE = "acks_late=True and reject_on_worker_lost=True"
_TWICE = (
    "a visibility timeout (Redis, SQS) shorter than the task or its countdown, a connection lost before the "
    "acknowledgement, or a caller that sends it again"
)
_CHILD = (
    "if only the pool's child is killed (out of memory), not the whole worker, the task is lost: reject_on_worker_lost "
    "is off"
)
_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-000000000000")  # "jobchaos": a namespace of our own


class CeleryAdapter:
    """See `Adapter`."""

    name = "Celery"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, celery.Task | Signature)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        if not isinstance(thing, Signature):
            return _job(_registered(thing), args, dict(kwargs), {})
        if args or kwargs:
            raise UsageError(f"{thing!r} carries its own arguments; give further ones to .s(...) instead")
        first, rest = _first(thing)
        task = _registered(first.type)
        options = {**first.options, **({"chain": rest} if rest else {})}
        return _job(task, tuple(first.args), dict(first.kwargs), options)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`."""
        with replacing() as replace:
            build = celery.app.trace.build_tracer

            def watched(name: str, task: celery.Task, *rest: Any, **options: Any) -> Any:
                tracer = build(name, task, *rest, **options)

                def trace(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
                    def run() -> Any:
                        return tracer(uuid, args, dict(kwargs), dict(request or {}))

                    return around(Executing(task.name, defined_at(_function(task)), uuid, _terms(task, {}), run))

                return trace

            replace(celery.app.trace, "build_tracer", watched)
            consumer = sys.modules.get("celery.worker.consumer.consumer")
            if consumer is not None:
                replace(consumer, "build_tracer", watched)
            call = celery.Task.__call__

            @functools.wraps(call)
            def called(task: celery.Task, *args: Any, **kwargs: Any) -> Any:
                if not task.request.called_directly:
                    return call(task, *args, **kwargs)
                run = functools.partial(call, task, *args, **kwargs)
                return around(Executing(task.name, defined_at(_function(task)), "", _terms(task, {}), run))

            replace(celery.app.task.Task, "__call__", called)
            yield


def _job(task: celery.Task, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]) -> Job:
    message_id = str(options.get("task_id") or uuid.uuid5(_IDS, f"{task.name}{args!r}{sorted(kwargs.items())!r}"))

    @functools.wraps(_function(task))
    def deliver(*args: Any, **kwargs: Any) -> object:
        tracer = celery.app.trace.build_tracer(task.name, task, loader=task.app.loader, app=task.app)
        traced = tracer(message_id, args, kwargs, _request(task, message_id, options))
        if traced.info is None:
            return traced.retval
        if traced.info.state in (celery.states.IGNORED, celery.states.REJECTED):
            return None  # the task has said that this is how it ends
        raise traced.info.retval

    deliver.__signature__ = inspect.signature(task.run)  # type: ignore[attr-defined]
    return Job.delivered(
        deliver,
        args,
        kwargs,
        name=task.name.rpartition(".")[2],
        terms=_terms(task, options),
        during=functools.partial(_detached, task),
    )


def _request(task: celery.Task, message_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the headers of the task's message would say."""
    return {
        "id": message_id,
        "root_id": message_id,
        "task": task.name,
        "retries": 0,
        "is_eager": False,
        "hostname": "jobchaos",
        "callbacks": options.get("link"),
        "errbacks": options.get("link_error"),
        "chain": options.get("chain"),
        "timelimit": [options.get("time_limit"), options.get("soft_time_limit")],
        "ignore_result": options.get("ignore_result", task.ignore_result),
        "delivery_info": {"exchange": "", "routing_key": task.app.conf.task_default_queue, "redelivered": False},
    }


def _registered(task: Any) -> celery.Task:
    """The task as its app knows it; one that was defined after the app was finalized is known by now, too."""
    app = task.app
    app.finalize()
    return app.tasks[task.name]


def _first(signature: Signature) -> tuple[Signature, list[Any]]:
    """The task to begin with, and what follows it in a chain, last one first, as Celery sends it."""
    kind = getattr(signature, "subtask_type", None) or "task"
    if kind == "chain":
        first, *rest = signature.tasks
        return first, [dict(following) for following in reversed(rest)]
    if kind != "task":
        raise UsageError(
            f"{signature!r} is a {kind}: several messages, each with a delivery of its own. Check its tasks one by "
            "one, as in run_twice(task.s(42)), or two that may overlap: run_concurrently(Job(a, 1), Job(b, 2))."
        )
    return signature, []


def _terms(task: celery.Task, options: Mapping[str, Any]) -> Terms:
    late = task.acks_late
    remarks = (_CHILD,) if late and not task.reject_on_worker_lost else ()
    return Terms(
        system="Celery",
        level="delivery",
        after_kill=AfterKill.REDELIVERED if late else AfterKill.LOST,
        because="acks_late is on" if late else "acks_late is off, so that it is acknowledged before it runs",
        setting=_LATE,
        duplicates=_TWICE,
        soft_limit=options.get("soft_time_limit") or task.soft_time_limit,
        hard_limit=options.get("time_limit") or task.time_limit,
        timeout=SoftTimeLimitExceeded,
        dead_letter="nowhere: its state is FAILURE, and the message is acknowledged",
        remarks=remarks,
    )


def _function(task: celery.Task) -> Callable[..., Any]:
    """The user's function, without what Celery has wrapped around it."""
    run = getattr(task, "_orig_run", task.run)
    function: Callable[..., Any] = inspect.unwrap(getattr(run, "__func__", run))
    return function


class _NoResults(DisabledBackend):  # type: ignore[misc]
    """Keeps no results: they are repeated with every delivery, under the same id."""

    def ensure_chords_allowed(self) -> None:
        """A chord's messages are seen like all others."""


@contextlib.contextmanager
def _detached(task: celery.Task) -> Iterator[None]:
    """Send nothing to a result backend, and run no child inside its parent, as no worker does either."""
    app = task.app
    with replacing() as replace:
        replace(app, "_backend_cache", _NoResults(app=app))
        replace(task, "_backend", None)
        with (
            _switched_off(app.conf, "task_always_eager"),
            _switched_off(app.conf, "worker_deduplicate_successful_tasks"),
        ):
            yield


@contextlib.contextmanager
def _switched_off(conf: Any, name: str) -> Iterator[None]:
    before = conf[name]
    conf[name] = False
    try:
        yield
    finally:
        conf[name] = before
