"""Following: a worker that goes on with the jobs that its job has enqueued, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from jobchaos.core.effect import Effect, Foreign, Mode, Touch, key_resource, lock_resource
from jobchaos.core.ports import Worker
from jobchaos.core.redelivery import GivenUp, Redelivery, carry, was_done
from jobchaos.core.sent import Again, Done, Sent, Underway
from jobchaos.core.terms import AfterKill, KeyTerms, Terms, after_kill, lock_of
from jobchaos.engine.stage import Stage
from jobchaos.errors import InternalError

_SECOND = 10**9  # ns


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
        terms_of: On which terms a message, or the job's own (None), is delivered.
        delivery: See `Settings.delivery`.
        line_of: Where a copy stands.
        stage: Tells time, and which worker this is.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[], object],
        body_of: Callable[[Sent], Callable[[], object]],
        terms_of: Callable[[Sent | None], Terms | None],
        delivery: str,
        line_of: Callable[[str], Line],
        stage: Stage,
    ) -> None:
        self._name = name
        self._body = body
        self._body_of = body_of
        self._terms_of = terms_of
        self._delivery = delivery
        self._line_of = line_of
        self._stage = stage

    def fate(self, copy: str) -> AfterKill:
        """What becomes of the message that a copy is at, if its worker is killed now."""
        return after_kill(self._terms_of(self._line_of(copy).current), self._delivery)

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
        while not self._run(worker):
            carry(None)  # the next message has not been delivered before
        error = self._line_of(worker.copy).error
        if error:
            raise GivenUp(RuntimeError(error))

    def _run(self, worker: Worker) -> bool:
        """Run the message that a copy is at; return True if there is none after it."""
        current = self._line_of(worker.copy).current
        terms = self._terms_of(current)
        key = KeyTerms() if terms is None else terms.key
        lock = lock_of(terms, self._delivery)
        underway = Underway(worker.copy, lock, key.while_running)
        _wait_for_lock(worker, underway)
        held = [lock_resource(lock)] if lock else []
        if current is not None and current.key:
            held.append(key_resource(current.key))
        with _holding(worker, held):
            _record(worker, underway)
            error = self._error_of(worker, current, lock)
            following = self._line_of(worker.copy).following
            kept = key.after_failure if error else key.after_success
            done = Done(worker.copy, error, self._stage.clock.now() + kept * _SECOND if kept else 0)
            if following is not None:
                self._acknowledge(worker, current, following, done)
            else:
                _record(worker, done)
        return following is None

    def _error_of(self, worker: Worker, current: Sent | None, lock: str) -> str:
        try:
            (self._body if current is None else self._body_of(current))()
        except GivenUp as given_up:
            return f"{self._name if current is None else current.task}: {given_up}"
        except Redelivery:
            _record(worker, Underway(worker.copy, lock))  # it waits in its queue, as it did before
            raise
        return ""

    def _acknowledge(self, worker: Worker, current: Sent | None, following: Sent, done: Done) -> None:
        name = self._name if current is None else _short(current.task)
        touches = [Touch(f"queue:@{worker.copy}", Mode.WRITE)]
        if following.key:
            touches.append(Touch(key_resource(following.key), Mode.WRITE))  # it may be free while that is run
        label = f"ACK {name} (next: {_short(following.task)})"
        effect = Effect("ack", label, tuple(touches), durable=True, foreign=_foreign(done))
        worker.perform(effect, lambda: None, failure=ConnectionError)


def _wait_for_lock(worker: Worker, underway: Underway) -> None:
    """Until nobody else has the lock of a message, or comes before it."""
    if underway.lock:
        while worker.is_known(_foreign(underway)):
            worker.wait(f"the lock {underway.lock!r}", None)
        worker.unblock()


@contextlib.contextmanager
def _holding(worker: Worker, resources: Sequence[str]) -> Iterator[None]:
    """What others do to these comes before or after all that is done meanwhile."""
    for resource in resources:
        worker.hold(resource)
    try:
        yield
    finally:
        for resource in resources:
            worker.let_go(resource)


def _short(task: str) -> str:
    return task.rpartition(".")[2]


def _record(worker: Worker, message: Underway | Done | Again) -> None:
    worker.record(_foreign(message))


def _foreign(message: Underway | Done | Again) -> Foreign:
    return Foreign("queue", ("queue", "task", "arguments"), ("", "", ""), message=message)
