"""What a job system decides about a message whose job has not succeeded: to deliver it again, or never again.

Adapters raise these in place of the job's own error. A job without a job system is delivered again until its budget is
spent.
"""

from __future__ import annotations

from contextvars import ContextVar

_message: ContextVar[object] = ContextVar("jobchaos_message", default=None)
_was_done: ContextVar[bool] = ContextVar("jobchaos_was_done", default=False)


class Redelivery(Exception):  # noqa: N818 - no error: what the job or its policy has asked for
    """The message is put back, to be delivered again.

    Args:
        why: For reports: `Retry: in 60 s: ConnectionError`.
        after: Nanoseconds until then.
        message: What the next delivery finds in `message()`; it must be picklable.
    """

    def __init__(self, why: str, after: int = 0, message: object = None) -> None:
        super().__init__(why)
        self.after = after
        self.message = message


class GivenUp(Exception):  # noqa: N818 - likewise
    """The message is never delivered again, although the job has failed.

    Args:
        error: What it has failed with.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def message() -> object:
    """What the latest `Redelivery` of the running copy has put into its message; None in a first delivery."""
    return _message.get()


def was_done() -> bool:
    """True if the running copy has been done before, and is delivered once more."""
    return _was_done.get()


def carry(message: object, *, was_done: bool = False) -> None:
    """From now on, in the present context, `message` and `was_done` give these."""
    _message.set(message)
    _was_done.set(was_done)
