"""Adapters: one file per job system; here is found which of them an object belongs to.

A system that the user's program has not imported can own none of its objects, so that nothing is ever imported here
which is not there already.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

from jobchaos.core.adapter import Adapter, Follower
from jobchaos.core.job import Job
from jobchaos.core.sent import Sent

_HOMES = {
    "apscheduler": "apscheduler:APSchedulerAdapter",
    "arq": "arq:ArqAdapter",
    "celery": "celery:CeleryAdapter",
    "django.tasks": "django_tasks:DjangoTasksAdapter",
    "django_tasks": "django_tasks:DjangoTasksAdapter",
    "dramatiq": "dramatiq:DramatiqAdapter",
    "huey": "huey:HueyAdapter",
    "procrastinate": "procrastinate:ProcrastinateAdapter",
    "rq": "rq:RQAdapter",
    "taskiq": "taskiq:TaskiqAdapter",
}
"""Import name of a system to where its adapter is: module of this package, and class."""

SYSTEMS = tuple(_HOMES)
"""Import names of all systems that have an adapter."""


_unknown: dict[str, str] = {}
"""Homes that cannot be imported with what the program has imported under the system's name, and why."""


def present() -> Iterator[Adapter]:
    """The adapters of all systems that this program has imported, in versions that jobchaos knows."""
    for home in _imported():
        if home not in _unknown and (adapter := _adapter(home)) is not None:
            yield adapter


def unknown() -> dict[str, str]:
    """Import names of systems that the program has imported in versions that jobchaos does not know, and why not."""
    return {system: _unknown[home] for home, system in _imported().items() if home in _unknown}


def _imported() -> dict[str, str]:
    return {home: system for system, home in _HOMES.items() if sys.modules.get(system) is not None}


def _adapter(home: str) -> Adapter | None:
    module, _, name = home.partition(":")
    try:
        adapter: Adapter = getattr(importlib.import_module(f"{__name__}.{module}"), name)()
    except (ImportError, AttributeError) as error:
        _unknown[home] = str(error)
        return None
    return adapter


def adapter_of(thing: object) -> Adapter | None:
    """The adapter of the system that an object belongs to; None if it belongs to none."""
    return next((adapter for adapter in present() if adapter.recognises(thing)), None)


def child_of(parent: Job, sent: Sent) -> Job | None:
    """What a message stands for that `parent` has sent; None if it is of another system, or nobody can tell."""
    if parent.terms is None or parent.terms.system != sent.system:
        return None
    adapter: object = next((adapter for adapter in present() if adapter.name == sent.system), None)
    return adapter.child(sent, parent.home) if isinstance(adapter, Follower) else None
