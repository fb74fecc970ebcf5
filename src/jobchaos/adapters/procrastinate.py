"""ProcrastinateAdapter: tasks of Procrastinate, called as its worker calls them, and retried by their own strategy."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import procrastinate
from procrastinate import exceptions, job_context, jobs, tasks, utils, worker

from jobchaos.adapters.direct_calls import DirectCalls, alive
from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.adapters.retries import again, deliver, executions
from jobchaos.core.adapter import Around
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.sent import Sent
from jobchaos.core.terms import AfterKill, KeyTerms, Terms
from jobchaos.errors import UsageError

_ID = 1
_running: ContextVar[Any] = ContextVar("jobchaos_procrastinate_job", default=None)
"""The job that a worker in this process is at."""


class ProcrastinateAdapter:
    """See `Adapter`."""

    name = "Procrastinate"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, tasks.Task | jobs.JobDeferrer)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        if isinstance(thing, tasks.Task):
            return _job(thing, _deferred(thing), args, kwargs)
        if args:
            raise UsageError(
                f"{thing.job.task_name} is configured, and deferred with keyword arguments only, as in x=42"
            )
        return _job(_configured(thing), thing.job, (), thing.make_new_job(**kwargs).task_kwargs)

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        task = home.tasks.get(sent.task)
        if task is None:
            return None
        return _job(task, jobs.Job(task_name=task.name, lock=sent.lock or None, **sent.options), (), sent.kwargs)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: a worker calls a task just as everybody else does."""
        call, process = tasks.Task.__call__, worker.Worker._process_job  # noqa: SLF001 - only this knows the job

        def called(task: Any, *args: Any, **kwargs: Any) -> Any:
            job = _running.get()
            job_id, lock = ("", task.lock) if job is None or job.task_name != task.name else (str(job.id), job.lock)
            run: Callable[[], Any] = functools.partial(call, task, *args, **kwargs)
            is_async = inspect.iscoroutinefunction(task.func)
            return around(
                Executing(task.name, defined_at(task.func), job_id, _terms(task, lock), run, is_async=is_async)
            )

        async def processed(worker: Any, context: Any) -> Any:
            before = _running.set(context.job)
            try:
                return await process(worker, context)
            finally:
                _running.reset(before)

        with replacing() as replace, DirectCalls(around) as direct:
            replace(tasks.Task, "__call__", called)
            replace(worker.Worker, "_process_job", processed)
            direct.watch_made(replace, tasks.Task, lambda task: (task.func, task.name, lambda: _terms(task, task.lock)))
            yield


def _configured(deferrer: Any) -> Any:
    """The task that `configure` has made something of, which knows its name only."""
    name = deferrer.job.task_name
    app = next((app for app in alive(procrastinate.App) if app.job_manager is deferrer.job_manager), None)
    if app is None or name not in app.tasks:
        raise UsageError(f"no app of this program has a task {name!r} for that job: import its module")
    return app.tasks[name]


def _deferred(task: Any) -> Any:
    """What the task's own `defer` stores, but for the arguments."""
    return jobs.Job(
        queue=task.queue,
        priority=task.priority,
        lock=task.lock,
        queueing_lock=task.queueing_lock,
        task_name=task.name,
    )


def _job(task: Any, deferred: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
    @functools.wraps(task.func)
    def call(*args: Any, **kwargs: Any) -> Any:
        sent = deferred.evolve(id=_ID, status="doing", task_kwargs=dict(kwargs), attempts=executions())
        context = (_context(task, sent),) if task.pass_context else ()
        return deliver(functools.partial(task, *context, *args, **kwargs), functools.partial(_decided, task, sent))

    signature = inspect.signature(task.func)
    shown = list(signature.parameters.values())[1 if task.pass_context else 0 :]
    call.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    name = task.name.rpartition(".")[2]
    job = Job.delivered(call, args, kwargs, name=name, terms=_terms(task, deferred.lock), home=task.blueprint)
    return job.with_policy(_policy(task))


def _context(task: Any, sent: Any) -> Any:
    return job_context.JobContext(
        app=task.blueprint, worker_name="jobchaos", job=sent, start_timestamp=0.0, abort_reason=lambda: None
    )


def _decided(task: Any, sent: Any, error: BaseException, executed: int) -> BaseException:
    """What the task's strategy decides, asked as `Worker._process_job` asks it (procrastinate/worker.py, 3.10)."""
    asked = None if isinstance(error, exceptions.JobAborted) else task.get_retry_exception(exception=error, job=sent)
    if asked is None:
        return GivenUp(error)
    at = asked.retry_decision.retry_at
    seconds = 0.0 if at is None else (at - utils.utcnow()).total_seconds()
    return again(error, executed, max(0, round(seconds * 10**9)))


def _policy(task: Any) -> RetryPolicy:
    """`max_attempts` counts retries, and 0 is no limit; `wait + linear_wait * n + exponential_wait ** (n + 1)` seconds.

    (procrastinate/retry.py: `RetryStrategy.get_retry_decision`, where n retries came before, 3.10.)
    """
    strategy = task.retry_strategy
    if not isinstance(strategy, procrastinate.RetryStrategy):
        return RetryPolicy(executions=1 if strategy is None else math.inf, source="Procrastinate")

    def delay(executed: int) -> int:
        seconds: int = strategy.wait + strategy.linear_wait * (executed - 1) + strategy.exponential_wait**executed
        return seconds

    return RetryPolicy(
        executions=strategy.max_attempts + 1 if strategy.max_attempts else math.inf,
        delays=delay,
        retryable=tuple(strategy.retry_exceptions or (Exception,)),
        source="Procrastinate's RetryStrategy",
    )


def _terms(task: Any, lock: str | None) -> Terms:
    return Terms(
        system="Procrastinate",
        level="body",
        after_kill=AfterKill.STUCK,
        because="nothing looks for jobs in 'doing' whose worker is gone",
        setting="a periodic task that calls job_manager.retry_job() for each of get_stalled_jobs()",
        retries="" if task.retry_strategy else "@app.task(retry=3)",
        duplicates="a worker that is slow, is taken for stalled, and whose job is retried; or a second defer()",
        dead_letter="in its table, with status failed",
        lock=lock or "",
        key=KeyTerms(while_running=False),
    )
