"""Following: a worker that goes on with the jobs that its job has enqueued, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.core.redelivery import GivenUp, carry, was_done
from jobchaos.core.sent import Again, Done, Sent
from jobchaos.core.terms import AfterKill
from jobchaos.engine.stage import Stage
from jobchaos.errors import InternalError


class Line(Protocol):
    """The messages of one copy: its own, then what it has sent."""

    @property
    def is_done(self) -> bool:
        """True if all are."""

    @property
    def current(self) -> Sent | None:
        """The first that is not done, or the last; None if that is its own."""

    @property
    def following(self) -> Sent | None:
        """The one after the current one, if there is one."""

    @property
    def error(self) -> str:
        """What one of them has failed with that was given up."""


class Following:
    """What workers run for the copies of one job.

    An acknowledgement is a step, where a worker can die: before it the message is delivered again, after it the next
    one is. The last message is acknowledged by its worker's end, as without this.

    Args:
        name: The job's name.
        body: Runs the job once.
        body_of: Gives what runs a job that was sent.
        fate_of: What becomes of a message, or of the job's own (None), if its worker is killed.
        line_of: Where a copy stands.
        stage: Tells which worker this is.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[], object],
        body_of: Callable[[Sent], Callable[[], object]],
        fate_of: Callable[[Sent | None], AfterKill],
        line_of: Callable[[str], Line],
        stage: Stage,
    ) -> None:
        self._name = name
        self._body = body
        self._body_of = body_of
        self._fate_of = fate_of
        self._line_of = line_of
        self._stage = stage

    def fate(self, copy: str) -> AfterKill:
        """What becomes of the message that a copy is at, if its worker is killed now."""
        return self._fate_of(self._line_of(copy).current)

    def deliver(self) -> None:
        """Run one message after the other.

        Raises:
            Redelivery: If one of them is to be delivered again.
            GivenUp: At the end, if one of them never is, although it has failed.
        """
        worker = self._stage.current()
        if worker is None:
            raise InternalError("a job is followed by nobody's worker")
        if self._line_of(worker.copy).is_done and was_done():
            _record(worker, Again(worker.copy))
        while True:
            current = self._line_of(worker.copy).current
            error = self._run(current)
            following = self._line_of(worker.copy).following
            if following is None:
                break
            self._acknowledge(worker, current, following, error)
            carry(None)  # the next message has not been delivered before
        _record(worker, Done(worker.copy, error))
        error = self._line_of(worker.copy).error
        if error:
            raise GivenUp(RuntimeError(error))

    def _run(self, current: Sent | None) -> str:
        try:
            (self._body if current is None else self._body_of(current))()
        except GivenUp as given_up:
            return f"{self._name if current is None else current.task}: {given_up}"
        return ""

    def _acknowledge(self, worker: Worker, current: Sent | None, following: Sent, error: str) -> None:
        name = self._name if current is None else _short(current.task)
        foreign = _foreign(Done(worker.copy, error))
        touches = (Touch(f"queue:@{worker.copy}", Mode.WRITE),)
        label = f"ACK {name} (next: {_short(following.task)})"
        worker.perform(
            Effect("ack", label, touches, durable=True, foreign=foreign), lambda: None, failure=ConnectionError
        )


def _short(task: str) -> str:
    return task.rpartition(".")[2]


def _record(worker: Worker, message: Done | Again) -> None:
    worker.record(_foreign(message))


def _foreign(message: Done | Again) -> Foreign:
    return Foreign("queue", ("queue", "task", "arguments"), ("", "", ""), message=message)
