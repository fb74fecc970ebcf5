"""Every exception jobchaos raises, in one tree.

Three kinds are kept apart on purpose. `JobChaosError` says that the *job* misbehaved (or that nothing can be
claimed about it) and is an `AssertionError`, so pytest shows it as a failed test. `UsageError` says that the *caller*
made a mistake. `InternalError` says that *jobchaos* did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobchaos.core.verdict import Verdict


class JobChaosError(AssertionError):
    """A check did not hold. The text is the whole report.

    Attributes:
        verdict: The `Verdict` that was reached.
    """

    def __init__(self, report: str, verdict: Verdict) -> None:
        super().__init__(report)
        self.verdict = verdict

    def __reduce__(self) -> tuple[type[JobChaosError], tuple[str, Verdict]]:
        return type(self), (str(self), self.verdict)


class InconclusiveError(JobChaosError):
    """Nothing can be claimed about the job, and the text says why. Never a pass in disguise."""


class UsageError(Exception):
    """The caller's mistake: what was seen, where, why it matters, and what to do."""


class TokenError(UsageError, ValueError):
    """A schedule token that cannot be read.

    Attributes:
        token: The text as given.
        position: Index, from 0, of the first character that does not fit.
    """

    def __init__(self, token: str, position: int, problem: str) -> None:
        pointer = " " * position + "^"
        super().__init__(
            f"bad schedule token: {problem} (at character {position + 1})\n  {token}\n  {pointer}\n"
            'Write segments such as "A3 B A", "A3!kill A" or "A2 +61s B A".'
        )
        self.token = token
        self.position = position

    def __reduce__(self) -> tuple[type[UsageError], tuple[str]]:
        return UsageError, (str(self),)


class UnsafeRestoreError(UsageError):
    """A store refused to restore something that is not plainly a test resource. Nothing was changed."""


class LossError(UsageError):
    """A store cannot bring back what it has captured; the text tells what is lost, and where copies are.

    Attributes:
        code: The finding that it makes of the check.
    """

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code

    def __reduce__(self) -> tuple[type[LossError], tuple[str, str]]:
        return type(self), (str(self), self.code)


class TooLargeError(UsageError):
    """An object leads to so many others that they cannot be restored before each schedule; the text names some."""


class ForeignHostError(UsageError):
    """A job under check tried to reach a host other than this machine. Nothing was sent."""


class MissingExtraError(UsageError, ImportError):
    """An optional library is not installed; the text names the extra to install."""


class InternalError(RuntimeError):
    """A mistake of ours. Please report it with the text."""
