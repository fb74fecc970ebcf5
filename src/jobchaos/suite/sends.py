"""Sends: how the tests of each job system send tasks, to which machine, and what to do if nobody works them off."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_LOCAL = re.compile(r"(localhost|127(\.\d{1,3}){3}|::1|/.*)?")
_HERE = ("memory", "filesystem", "cache")
_ELSEWHERE = ("sqs", "gcpubsub", "azureservicebus", "azurestoragequeues")


@dataclass(frozen=True, slots=True)
class Send:
    """One way to send a task.

    Attributes:
        system: As its adapter calls it.
        module: Where the class is.
        owner: The class.
        method: What of it sends.
        host: Takes the object: the machine that its broker is on, as far as that is known; empty for this one.
    """

    system: str
    module: str
    owner: str
    method: str
    host: Callable[[Any], str] = lambda _: ""

    def is_local(self, sender: Any) -> bool:
        """True if nothing tells that the broker is on another machine."""
        try:
            return _LOCAL.fullmatch(self.host(sender)) is not None
        except Exception:  # noqa: BLE001 - a broker may be of any class
            return True


def _celery(app: Any) -> str:
    parts = urlsplit(str(app.conf.broker_url or ""))
    if parts.scheme in _ELSEWHERE:
        return parts.scheme
    return "" if parts.scheme in _HERE else parts.hostname or ""


def _pool(client: Any) -> str:
    known = client.connection_pool.connection_kwargs
    return "" if "server" in known else str(known.get("host") or "")  # a fake server is in this process


def _dramatiq(actor: Any) -> str:
    client = getattr(actor.broker, "client", None)
    if client is not None:
        return _pool(client)
    parameters = getattr(actor.broker, "parameters", None) or ()
    return next((str(one.host) for one in parameters if _LOCAL.fullmatch(str(one.host)) is None), "")


def _taskiq(kicker: Any) -> str:
    broker = kicker.broker
    return (
        _pool(broker)
        if hasattr(broker, "connection_pool")
        else urlsplit(str(getattr(broker, "url", ""))).hostname or ""
    )


def _procrastinate(deferrer: Any) -> str:
    connector = deferrer.job_manager.connector
    if hasattr(connector, "_engine_dsn"):
        return urlsplit(str(connector._engine_dsn)).hostname or ""  # noqa: SLF001 - it tells nobody
    given = getattr(connector, "_pool_args", None)
    if given is None:  # in memory, or the database of Django
        return ""
    from psycopg.conninfo import conninfo_to_dict

    stated = {**conninfo_to_dict(given.get("conninfo") or ""), **(given.get("kwargs") or {})}
    return str(stated.get("host") or stated.get("hostaddr") or os.environ.get("PGHOST") or "")


def _apscheduler(scheduler: Any) -> str:
    stores = scheduler._jobstores.values()  # noqa: SLF001 - likewise
    hosts = [_pool(store.redis) for store in stores if hasattr(store, "redis")]
    hosts += [store.engine.url.host or "" for store in stores if hasattr(store, "engine")]
    return next((host for host in hosts if _LOCAL.fullmatch(host) is None), "")


SENDS = (
    Send("Celery", "celery.app.base", "Celery", "send_task", _celery),
    Send("RQ", "rq.queue", "Queue", "enqueue_job", lambda queue: _pool(queue.connection)),
    Send("Dramatiq", "dramatiq.actor", "Actor", "send_with_options", _dramatiq),
    Send(
        "Huey", "huey.api", "Huey", "enqueue", lambda huey: str(huey.storage.pool.connection_kwargs.get("host") or "")
    ),
    Send("arq", "arq.connections", "ArqRedis", "enqueue_job", _pool),
    Send("TaskIQ", "taskiq.kicker", "AsyncKicker", "kiq", _taskiq),
    Send("Procrastinate", "procrastinate.jobs", "JobDeferrer", "defer", _procrastinate),
    Send("Procrastinate", "procrastinate.jobs", "JobDeferrer", "defer_async", _procrastinate),
    *(
        Send("Django tasks", f"{package}.base", "Task", method)
        for package in ("django.tasks", "django_tasks")
        for method in ("enqueue", "aenqueue")
    ),
    Send("APScheduler", "apscheduler.schedulers.base", "BaseScheduler", "add_job", _apscheduler),
)

PLAIN = ("APScheduler", "arq", "RQ")
"""Systems whose tasks may be plain functions, of which nothing but their being sent tells that they are tasks."""

ADVICE = {
    "Celery": "set task_always_eager or use celery_worker",
    "RQ": "make the queue with is_async=False, or let SimpleWorker(...).work(burst=True) work it off",
    "Dramatiq": "let a dramatiq.Worker work off a StubBroker: broker.join(queue), worker.join()",
    "Huey": "set immediate=True",
    "arq": "let Worker(functions, burst=True).main() work it off",
    "TaskIQ": "use InMemoryBroker(await_inplace=True)",
    "Procrastinate": "use InMemoryConnector, and run_worker_async(wait=False)",
    "Django tasks": "use ImmediateBackend",
    "APScheduler": "start the scheduler with a DebugExecutor, and let the test wait for EVENT_JOB_EXECUTED",
}
"""What to do in tests, by system."""
