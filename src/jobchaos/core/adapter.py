"""Adapter: what jobchaos knows of one job system. One file of `adapters/` implements it for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from jobchaos.core.effect import Site
from jobchaos.core.job import Job
from jobchaos.core.sent import Sent
from jobchaos.core.terms import Terms


class Execution(Protocol):
    """One execution of a task in this process, about to happen."""

    @property
    def task(self) -> str:
        """The task's name, as its system has registered it: `shop.tasks.send_invoice`."""

    @property
    def site(self) -> Site | None:
        """Where the task's function is defined, if it has source code."""

    @property
    def id(self) -> str:
        """The message's id; empty for a direct call, which has no message."""

    @property
    def terms(self) -> Terms:
        """What the system would do with it in production."""

    @property
    def is_async(self) -> bool:
        """True if `run` returns an awaitable. What `around` returns must then be one, too."""

    def run(self) -> Any:
        """Execute it once and return what its caller is to get, or raise what that is to see.

        May be called any number of times, in sequence or in several threads: each call is one more delivery of the
        same message. What it must not repeat at its level (an acknowledgement) is repeated by the caller of `around`.
        """

    def failed(self, result: Any) -> bool:
        """True if what `run` has returned stands for a failure, or for one more execution that the task asks for.

        Some systems catch what a task raises where it is executed.
        """


Plain = tuple[Any, str, Callable[[], Terms]]
"""A plain function, what its system calls it as a task, and what gives the terms on which it would be run."""

Around = Callable[[Execution], Any]
"""Is handed an execution in place of its being run, and returns what one of its runs has returned."""


class Adapter(Protocol):
    """One job system. Its file may be imported only if the user's program has imported the system itself."""

    name: str
    """The system's name, as its users write it: `Celery`."""

    def recognises(self, thing: object) -> bool:
        """True if `thing` is of this system: a task, a signature, an enqueued job, a message."""

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """What the system would run for `thing`, called or enqueued with these arguments.

        The job's function is one delivery, at delivery level where the system allows; its `terms` say so.

        Raises:
            UsageError: If it carries its own arguments and is given more, or cannot be run here.
        """

    def executions(self, around: Around) -> AbstractContextManager[None]:
        """While open, each execution of a task of this system in this process is handed to `around`.

        That is what runs eagerly, by a direct call, in an in-process worker or in immediate mode. Nested executions
        are handed over, too. Outside, nothing of the system is changed.
        """


@runtime_checkable
class Learner(Protocol):
    """An adapter whose tasks may be plain functions, and nothing but being sent tells that they are."""

    learned: list[Plain]
    """Functions that have turned out to be tasks while `executions` was open. Earlier direct calls were not seen.

    These functions are watched again when `executions` is opened again.
    """

    def plain(self, function: Callable[..., Any]) -> Plain | None:
        """What a function of which the user says that it is a task would be called, and on which terms it would run.

        None if it can be no task of this system.
        """


@runtime_checkable
class Follower(Protocol):
    """An adapter that can also deliver what a job has sent, of which only the message is known."""

    def child(self, sent: Sent, home: Any) -> Job | None:
        """What the system would run for a message; None if that cannot be told.

        Args:
            sent: The message; of this system.
            home: `Job.home` of the job that has sent it.
        """
