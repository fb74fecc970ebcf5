"""CeleryAdapter: tasks and signatures of Celery, delivered as its worker does, without worker, broker or backend."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import celery
import celery.app.task
import celery.app.trace
from celery.app.registry import TaskRegistry
from celery.backends.base import DisabledBackend
from celery.canvas import Signature
from celery.exceptions import NotRegistered
from celery.result import AsyncResult
from celery.states import FAILURE, IGNORED, REJECTED, RETRY
from celery.utils.functional import maybe_list

from jobchaos.adapters.celery_terms import function_of, policy_of, terms_of
from jobchaos.adapters.direct_calls import DirectCalls, alive
from jobchaos.adapters.execution import Executing, defined_at, hand_over_outermost, replacing
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.sent import Sent
from jobchaos.errors import UsageError

_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-000000000000")  # "jobchaos": a namespace of our own


class CeleryAdapter:
    """See `Adapter`."""

    name = "Celery"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, celery.Task | Signature | AsyncResult)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        if isinstance(thing, AsyncResult):
            raise UsageError(f"{thing!r} does not know the arguments of its task. Give the task and them: task.s(42)")
        if not isinstance(thing, Signature):
            return _job(_registered(thing), args, dict(kwargs), {}, _Asked(thing.app))
        if args or kwargs:
            raise UsageError(f"{thing!r} carries its own arguments; give further ones to .s(...) instead")
        first, rest = _first(thing)
        task = _registered(_task_of(first))
        options = {**first.options, **({"chain": rest} if rest else {})}
        return _job(task, tuple(first.args), dict(first.kwargs), options, _Asked(task.app))

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        task = home.app.tasks.get(sent.task)
        return None if task is None else _job(task, sent.args, dict(sent.kwargs), dict(sent.options), home)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`."""
        with replacing() as replace, DirectCalls(around) as direct:
            build = celery.app.trace.build_tracer

            def watched(name: str, task: celery.Task, *rest: Any, **options: Any) -> Any:
                tracer = build(name, task, *rest, **options)

                def trace(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
                    def run() -> Any:
                        return tracer(uuid, args, dict(kwargs), dict(request or {}))

                    described = task.name, defined_at(function_of(task)), uuid, terms_of(task, {})
                    return around(Executing(*described, run, failed=_failed))

                return trace

            replace(celery.app.trace, "build_tracer", watched)
            consumer = sys.modules.get("celery.worker.consumer.consumer")
            if consumer is not None:
                replace(consumer, "build_tracer", watched)

            def called(task: celery.Task, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
                if not task.request.called_directly:
                    return call(*args, **kwargs)
                run = functools.partial(call, *args, **kwargs)
                return around(Executing(task.name, defined_at(function_of(task)), "", terms_of(task, {}), run))

            hand_over_outermost(replace, celery.app.task.Task, "__call__", called)

            def registered(registry: TaskRegistry, name: str, task: celery.Task) -> None:
                dict.__setitem__(registry, name, task)
                direct.watch(*_plain(task))

            replace(TaskRegistry, "__setitem__", registered)
            for task in (task for registry in alive(TaskRegistry) for task in registry.values()):
                direct.watch(*_plain(task))
            yield


def _plain(task: celery.Task) -> Plain:
    """The function of a task; not if that has a `__call__` of its own, without which no worker runs it."""
    has_own_call = type(task).__call__ is not celery.app.task.Task.__call__
    function = None if has_own_call else getattr(task, "_orig_run", task.run)
    return function, task.name, lambda: terms_of(task, {})


def _failed(traced: Any) -> bool:
    """A tracer catches everything; what it has caught, and what comes of it, is its result's info."""
    return traced.info is not None and traced.info.state in (FAILURE, RETRY)


def _job(
    task: celery.Task, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any], asked: _Asked
) -> Job:
    message_id = str(options.get("task_id") or uuid.uuid5(_IDS, f"{task.name}{args!r}{sorted(kwargs.items())!r}"))

    @functools.wraps(function_of(task))
    def deliver(*args: Any, **kwargs: Any) -> object:
        retried = message()
        retries, args, kwargs = retried if isinstance(retried, tuple) else (0, args, kwargs)
        tracer = celery.app.trace.build_tracer(
            task.name,
            task,
            loader=task.app.loader,
            app=task.app,
            monotonic=lambda: (
                0.0
            ),  # it tells Celery's log how long the task took, and is no look of the task at the time
        )
        with asked.listening():
            traced = tracer(message_id, args, kwargs, _request(task, message_id, options, retries))
            if asked.redelivery is not None:
                raise asked.redelivery
        if traced.info is None:
            return traced.retval
        if traced.info.state == REJECTED and traced.info.retval.requeue:
            raise Redelivery("Reject: put back into its queue")
        if traced.info.state in (IGNORED, REJECTED):
            return None  # the task has said that this is how it ends
        raise GivenUp(traced.info.retval)

    deliver.__signature__ = inspect.signature(task.run)  # type: ignore[attr-defined]
    return Job.delivered(
        deliver,
        args,
        kwargs,
        name=task.name.rpartition(".")[2],
        terms=terms_of(task, options),
        during=functools.partial(_detached, task.app, asked),
        home=asked,
    ).with_policy(policy_of(task))


class _Asked(threading.local):
    """What the task that runs in this thread has asked for by `retry`, which sends its message once more.

    Args:
        app: The task's app.
    """

    def __init__(self, app: celery.Celery) -> None:
        self.redelivery: Redelivery | None = None
        self.app = app

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """One delivery."""
        self.redelivery = None
        try:
            yield
        finally:
            self.redelivery = None

    def hears(self, name: str, args: Any, kwargs: Any, options: Mapping[str, Any]) -> bool:
        """True if what is sent is the running task's own message, for a retry."""
        running = self.app.current_worker_task
        retries = options.get("retries") or 0
        if running is None or (name, options.get("task_id")) != (running.name, running.request.id) or not retries:
            return False
        eta = options.get("eta")
        seconds = options.get("countdown") or 0 if eta is None else (eta - self.app.now()).total_seconds()
        why = f"Retry {retries} in {seconds:g} s"
        self.redelivery = Redelivery(why, max(0, round(seconds * 10**9)), (retries, tuple(args), dict(kwargs)))
        return True


def _request(task: celery.Task, message_id: str, options: Mapping[str, Any], retries: int) -> dict[str, Any]:
    """What the headers of the task's message would say."""
    return {
        "id": message_id,
        "root_id": message_id,
        "task": task.name,
        "retries": retries,
        "is_eager": False,
        "hostname": "jobchaos",
        "callbacks": maybe_list(options.get("link")),
        "errbacks": maybe_list(options.get("link_error")),
        "chain": list(options.get("chain") or ()),  # what is delivered takes from it
        "timelimit": [options.get("time_limit"), options.get("soft_time_limit")],
        "ignore_result": options.get("ignore_result", task.ignore_result),
        "delivery_info": {"exchange": "", "routing_key": task.app.conf.task_default_queue, "redelivered": False},
    }


def _task_of(signature: Signature) -> Any:
    try:
        return signature.type
    except NotRegistered as error:
        name = signature.app.main or "of this program"
        raise UsageError(
            f"the app {name} knows no task {signature.task!r}: import its module, or give the task itself"
        ) from error


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


class _NoResults(DisabledBackend):  # type: ignore[misc]
    """Keeps no results: they are repeated with every delivery, under the same id."""

    def ensure_chords_allowed(self) -> None:
        """A chord's messages are seen like all others."""


@contextlib.contextmanager
def _detached(app: celery.Celery, asked: _Asked) -> Iterator[None]:
    """Send nothing to a result backend, run no child inside its parent, and hear of retries."""
    send = app.send_task

    def heard(name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        if asked.hears(name, args or (), kwargs or {}, options):
            return app.AsyncResult(options["task_id"])
        _require_transport(app)
        return send(name, args, kwargs, **options)

    own_backends = {task: task._backend for task in app.tasks.values() if task._backend is not None}  # noqa: SLF001 - the property would make one
    with replacing() as replace:
        replace(app, "_backend_cache", _NoResults(app=app))
        replace(app, "send_task", heard)
        replace(celery.app.trace.logger, "disabled", True)  # the report tells of every failure that matters
        for task in own_backends:
            replace(task, "_backend", None)
        with (
            _switched_off(app.conf, "task_always_eager"),
            _switched_off(app.conf, "worker_deduplicate_successful_tasks"),
        ):
            yield


def _require_transport(app: celery.Celery) -> None:
    """Nothing is sent, but Celery asks the broker's transport which errors it raises.

    Raises:
        ImportError: If that cannot be loaded.
    """
    try:
        app.connection_for_write().transport  # noqa: B018 - the property makes it
    except Exception as error:
        scheme = str(app.conf.broker_url).partition("://")[0]
        raise ImportError(
            f"the broker of the app {app.main} is {scheme}://..., which Celery cannot load here ({error}). Install "
            f'what it needs, as in pip install "celery[{scheme}]", or give the app another broker in tests: '
            'broker_url = "memory://". It is never contacted'
        ) from error


@contextlib.contextmanager
def _switched_off(conf: Any, name: str) -> Iterator[None]:
    before = conf[name]
    conf[name] = False
    try:
        yield
    finally:
        conf[name] = before
