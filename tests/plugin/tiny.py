"""A job system of three lines, for tests of what all systems have in common."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobchaos.adapters.execution import Executing, defined_at
from jobchaos.core.adapter import Adapter, Around
from jobchaos.core.job import Job
from jobchaos.core.terms import AfterKill, Terms

MODULE = """
class task:
    def __init__(self, function):
        self.function = function
        self.name = f"{function.__module__}.{function.__name__}"

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    delay = __call__
"""


class TinyAdapter:
    """Implements `Adapter` for `tiny.task`."""

    name = "Tiny"

    def recognises(self, thing: object) -> bool:
        return type(thing).__module__ == "tiny"

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        return Job(thing.function, *args, **kwargs)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        kind: Any = sys.modules["tiny"].task
        call: Callable[..., Any] = kind.__call__

        def called(task: Any, *args: Any, **kwargs: Any) -> Any:
            run = functools.partial(call, task, *args, **kwargs)
            return around(
                Executing(
                    task.name, defined_at(task.function), "", TERMS, run, inspect.iscoroutinefunction(task.function)
                )
            )

        kind.__call__ = kind.delay = called
        try:
            yield
        finally:
            kind.__call__ = kind.delay = call


TERMS = Terms(
    system="Tiny",
    level="body",
    after_kill=AfterKill.LOST,
    because="it acknowledges first",
    setting="late=True",
    duplicates="a slow broker",
)


def present() -> Iterator[Adapter]:
    """In place of `jobchaos.adapters.present`."""
    if "tiny" in sys.modules:
        yield TinyAdapter()
