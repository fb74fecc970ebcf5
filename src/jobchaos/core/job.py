"""Job: a callable with its arguments and a name; and, of a job system's, the terms on which that delivers it."""

from __future__ import annotations

import copy
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from jobchaos.core.red_flag import RedFlag
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.retrying import Retrying
from jobchaos.core.terms import Terms
from jobchaos.errors import UsageError

_SHORT = 60
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


class Job:
    """One background job: what a worker calls, and with what.

    Args:
        function: A function, method, partial or coroutine function.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments, also those whose names a fixture would take for itself.

    Attributes:
        retrying: How it is retried, as far as anybody has said so.
        home: Of a job system's: what its adapter needs to deliver a job that this one enqueues.

    Raises:
        UsageError: If `function` cannot be called, or not with these arguments.
    """

    __slots__ = ("_name", "args", "during", "function", "home", "kwargs", "retrying", "terms")

    def __init__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        if isinstance(function, Job):
            raise UsageError(f"{function.name} is a Job already; pass it as it is, without further arguments")
        if not callable(function):
            raise UsageError(
                f"a job must be callable, but got {_shorten(repr(function))} of type {type(function).__name__}. "
                "Pass the function itself and its arguments apart: run_twice(send_invoice, 42)."
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(
                f"{_name(function)} is a generator function: to call it runs none of its lines. "
                "Give a job that consumes it: run_twice(lambda: list(send_invoices(42)))."
            )
        self.function = function
        self.args: tuple[Any, ...] = args
        self.kwargs: Mapping[str, Any] = kwargs
        self.terms: Terms | None = None
        self.during: Callable[[], AbstractContextManager[None]] = nullcontext
        self.home: object = None
        self._name = ""
        self.retrying = Retrying()
        self._bind()

    @classmethod
    def of(cls, job: Callable[..., Any] | Job, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """Return `job` itself if it is a Job, else a Job of it with these arguments."""
        if isinstance(job, Job):
            if args or kwargs:
                raise UsageError(
                    f"{job.name} is a Job and carries its own arguments; got further ones: {_arguments(args, kwargs)}"
                )
            return job
        return cls(job, *args, **kwargs)

    @classmethod
    def delivered(
        cls,
        deliver: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        name: str,
        terms: Terms,
        during: Callable[[], AbstractContextManager[None]] = nullcontext,
        home: object = None,
    ) -> Job:
        """A job of a job system.

        Args:
            deliver: Delivers it once, called with its arguments. Its `__wrapped__` is the user's function.
            args: Positional arguments.
            kwargs: Keyword arguments.
            name: What to call it in reports.
            terms: What its system does with it.
            during: Opened while it is checked.
            home: See the attribute.
        """
        job = cls(deliver, *args, **kwargs)
        job._name, job.terms, job.during, job.home = name, terms, during, home
        return job

    def with_policy(self, *policies: RetryPolicy) -> Job:
        """The same job, retried as `policies` say; each replaces an earlier one of its level.

        Raises:
            UsageError: If one is no `RetryPolicy`.
        """
        job = copy.copy(self)
        for policy in policies:
            if not isinstance(policy, RetryPolicy):
                raise UsageError(
                    f"the policy of {self.name} is {policy!r}, of type {type(policy).__name__}, which cannot be read. "
                    "Give a RetryPolicy: RetryPolicy(delays=[1, 5, 30])"
                )
            job.retrying = job.retrying.having(policy)
        return job

    def with_red_flag(self, flag: RedFlag) -> Job:
        """The same job, of which this is to happen once when it is given up.

        Raises:
            UsageError: If it is no `RedFlag`.
        """
        if not isinstance(flag, RedFlag):
            raise UsageError(
                f"the red flag of {self.name} is {flag!r}, of type {type(flag).__name__}. Give a RedFlag: "
                'RedFlag.log("ERROR"), RedFlag.row("dead_letters"), RedFlag.call(page_somebody)'
            )
        job = copy.copy(self)
        job.retrying = replace(job.retrying, flag=flag)
        return job

    @property
    def name(self) -> str:
        """The callable's qualified name, without `<locals>` parts and arguments."""
        return self._name or _name(self.function)

    @property
    def body(self) -> Callable[..., Any]:
        """The user's own function: of a job system's job, without what delivers it."""
        wrapped: Callable[..., Any] = getattr(self.function, "__wrapped__", self.function)
        return self.function if self.terms is None else wrapped

    @property
    def label(self) -> str:
        """The call as a person would write it: `send_invoice(42, copy=True)`."""
        function, args, kwargs = self.function, self.args, self.kwargs
        while isinstance(function, functools.partial):
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        return f"{self.name}({_arguments(args, kwargs)})"

    def __repr__(self) -> str:
        return f"<Job {self.label}>"

    def _bind(self) -> None:
        try:
            # Not that of what it wraps: a decorator may hand it a connection of its own.
            signature = inspect.signature(self.function, follow_wrapped=False)
        except (TypeError, ValueError):
            return  # some builtins have no signature; the call itself will tell
        try:
            signature.bind(*self.args, **self.kwargs)
        except TypeError as error:
            raise UsageError(
                f"{self.label} cannot be called: {error}. Its signature is {self.name}{signature}; "
                "give the job's arguments after it: run_twice(job, argument, ...)."
            ) from None


def _name(function: Callable[..., Any]) -> str:
    if isinstance(function, functools.partial):
        return _name(function.func)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rsplit("<locals>.", 1)[-1]


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    parts = [_shorten(repr(value)) for value in args]
    parts += [f"{name}={_shorten(repr(value))}" for name, value in kwargs.items()]
    return ", ".join(parts)


def _shorten(text: str) -> str:
    text = _ADDRESS.sub("", text)  # a report of the same failure must be the same text
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."
