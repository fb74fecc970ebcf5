"""QueueProbe: a message that a job hands to a queue is an effect. It is recorded in a ledger, and sent to nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobchaos.core.effect import Effect, Foreign, Mode, Touch, key_resource
from jobchaos.core.ports import Worker
from jobchaos.core.sent import Sent
from jobchaos.probes.library import LibraryProbe

COLUMNS = ("queue", "task", "arguments")
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


class QueueProbe(LibraryProbe):
    """What the probes of all job systems share: each replaces the one call by which its system sends a message.

    Args:
        follow: Whether messages are to be delivered, in their turn.
    """

    system = ""
    """The system's name, as its adapter has it, if that can deliver what a job has sent."""

    def __init__(self, *, follow: bool = False) -> None:
        super().__init__()
        self._follow = follow

    def is_ours(self) -> bool:
        """True if the calling thread is a controlled worker, whose messages are not to be sent."""
        return self.worker() is not None

    def enqueue(
        self,
        queue: str,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        key: str = "",
        lock: str = "",
        options: Mapping[str, Any] | None = None,
        failure: Callable[[], Exception] = ConnectionError,
    ) -> bool:
        """The worker enqueues a message.

        Args:
            queue: The queue's name.
            task: The task's name; empty for a message that is none's.
            args: Its positional arguments.
            kwargs: Its keyword arguments.
            key: What the system recognises a second one by, and refuses it; empty if it does not.
            lock: See `Sent.lock`.
            options: What else its adapter needs to deliver it. All that it is given must be picklable then.
            failure: Makes what the system raises if its broker cannot be reached.

        Returns:
            False if it was refused.
        """
        worker = self.worker()
        if worker is None or self.control is None:
            return True
        named = [f"{name}={_told(value)}" for name, value in (kwargs or {}).items()]
        arguments = ", ".join([*map(_told, args), *named])
        sent = None
        if self._follow:
            contents = tuple(args), dict(kwargs or {}), dict(options or {})
            sent = Sent(worker.copy, self.system, task, *contents, key, lock, self.control.clock.now())
        foreign = Foreign("queue", COLUMNS, (queue, task, arguments), (self.system, key) if key else None, sent)
        label = f"ENQUEUE {task}({arguments}) in {queue}" if task else f"PUBLISH {arguments} to {queue}"
        return _perform(worker, f"queue:{queue}", key, label, foreign, failure)


def _perform(
    worker: Worker, resource: str, key: str, label: str, foreign: Foreign, failure: Callable[[], Exception]
) -> bool:
    touches = [Touch(resource, Mode.APPEND)]
    if key:
        touches.append(Touch(key_resource(key), Mode.WRITE))  # who comes first is let in
    worker.touch(resource)
    effect = Effect("queue", label, tuple(touches), durable=True, foreign=None if key else foreign)
    return worker.perform(effect, lambda: _sent(worker, foreign), failure=failure, outcome=_outcome)


def _sent(worker: Worker, foreign: Foreign) -> bool:
    if foreign.identity is None:
        return True  # its effect says itself what it leaves
    is_new = not worker.is_known(foreign)
    if is_new:
        worker.record(foreign)
    return is_new


def _outcome(is_new: bool) -> str:
    return "" if is_new else "refused: it is there already"


def _told(value: object) -> str:
    return _ADDRESS.sub("", repr(value))
