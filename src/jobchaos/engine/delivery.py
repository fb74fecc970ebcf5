"""Deliveries are messages: every attempt gets its own copy of the arguments, as a broker would hand them out."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from jobchaos.core.job import Job
from jobchaos.core.time_limit import limited_by
from jobchaos.errors import UsageError


class Delivery:
    """Hands out a job's arguments.

    Args:
        job: The job.
        shared: Objects that are part of the watched state and so are passed as they are: what a `MemoryStore` holds.
        run_coroutine: Runs a coroutine job in an event loop of its own.

    Raises:
        UsageError: If an argument cannot be copied.
    """

    def __init__(
        self, job: Job, shared: Iterable[object], run_coroutine: Callable[[Coroutine[Any, Any, Any]], object]
    ) -> None:
        self._job = job
        self._shared = tuple(shared)
        self._run_coroutine = run_coroutine
        named = [(f"argument {number}", value) for number, value in enumerate(job.args, 1)]
        named += [(f"argument {name}=", value) for name, value in job.kwargs.items()]
        for name, value in named:
            self._check(name, value)
        # The caller may go on changing the originals; all attempts must see what was delivered.
        self._args, self._kwargs = self._copied(job.args), self._copied(dict(job.kwargs))

    def run(self) -> object:
        """Call the job once, with fresh copies of its arguments, and return what it returns."""
        limited_by(self._job.terms.timeout if self._job.terms is not None else None)
        result = self._job.function(*self._copied(self._args), **self._copied(self._kwargs))
        if inspect.iscoroutine(result):
            return self._run_coroutine(result)
        return result

    def _copied(self, value: Any) -> Any:
        return copy.deepcopy(value, {id(shared): shared for shared in self._shared}) if value else value

    def _check(self, name: str, value: object) -> None:
        try:
            self._copied((value,))  # whose truth need not be asked, as arrays have none
        except Exception as error:  # noqa: BLE001 - a class may raise anything
            raise UsageError(
                f"{name} of {self._job.name}, {value!r}, cannot be copied ({type(error).__name__}: {error}). Each "
                "delivery gets its own copy of the arguments, as from a broker. Pass plain data (an id, a dict) and "
                "let the job open connections itself; an object that is part of the state belongs in a MemoryStore."
            ) from None  # the copy module's own lines tell nobody more
