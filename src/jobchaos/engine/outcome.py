"""Outcome: how one attempt ended."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace

from jobchaos.core.project import is_ours
from jobchaos.core.redelivery import GivenUp, Redelivery


@dataclass(frozen=True, slots=True)
class Failure:
    """What an attempt has raised.

    Attributes:
        text: Its class and its text, on one line.
        error: The exception; None if it was raised in another process, where it stays.
        told: Its traceback, for one that is not here.
    """

    text: str
    error: BaseException | None = None
    told: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception."""
        return cls(describe(error), error)

    @property
    def traceback(self) -> str:
        """As Python shows it, without the frames of jobchaos itself."""
        return self.told if self.error is None else _traceback(self.error)

    def portable(self) -> Failure:
        """The same in a form that can be sent to another process, which exceptions often cannot."""
        return Failure(self.text, None, self.traceback)

    def forget_frames(self) -> None:
        """Let go of the locals of the job's frames: an open connection among them would lock its database."""
        error = self.error
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended.

    Attributes:
        kind: `finished`, `raised` or `killed`.
        failure: What it raised, for `raised`.
        is_final: True if its job system never delivers the message again.
        due: Nanoseconds until the message is delivered again, if its job system has said when.
        message: What that delivery carries.
    """

    kind: str
    failure: Failure | None = None
    is_final: bool = False
    due: int | None = None
    message: object = None

    @classmethod
    def raised(cls, error: BaseException) -> Outcome:
        """An attempt has ended in an exception: the job's own, or what its job system makes of that."""
        if isinstance(error, GivenUp):
            return cls("raised", Failure.of(error.error), is_final=True)
        if isinstance(error, Redelivery):
            return cls(
                "raised", Failure(str(error), error.__cause__, told=str(error)), due=error.after, message=error.message
            )
        return cls("raised", Failure.of(error))

    def portable(self) -> Outcome:
        """See `Failure.portable`."""
        return self if self.failure is None else replace(self, failure=self.failure.portable())


def describe(error: BaseException) -> str:
    """One line for an exception: its class and its text."""
    try:
        text = str(error).strip()  # psycopg2's ends with a line break
    except Exception:  # noqa: BLE001 - the job's own class may do anything
        text = "<exception str() failed>"  # as tracebacks say it
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _traceback(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = shown
    while part is not None:
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if not is_ours(frame.filename)])
        part = part.__cause__ or part.__context__
    return "".join(shown.format())
