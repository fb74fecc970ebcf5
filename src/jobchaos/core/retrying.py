"""Retrying: how one job is retried, by its queue and by itself, and what tells when it is given up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobchaos.core.red_flag import RedFlag
from jobchaos.core.retry_policy import RetryPolicy

_ONCE = RetryPolicy(executions=1)


@dataclass(frozen=True, slots=True)
class Retrying:
    """What is known about a job's retries.

    Attributes:
        queue: How its queue delivers it again after an error; None if nobody has said so.
        own: How it retries itself within one delivery, as far as known.
        flag: What is to happen once when it is given up.
    """

    queue: RetryPolicy | None = None
    own: RetryPolicy | None = None
    flag: RedFlag | None = None

    def __bool__(self) -> bool:
        return (self.queue, self.own, self.flag) != (None, None, None)

    @property
    def deliveries(self) -> RetryPolicy | None:
        """How it is delivered again after an error; None if nobody has said so.

        A job that retries itself, and raises a red flag when it gives up, is not delivered again.
        """
        return _ONCE if self.queue is None and self.own is not None and self.flag is not None else self.queue

    @property
    def policies(self) -> tuple[RetryPolicy, ...]:
        """Those that are known, the queue's first."""
        return tuple(policy for policy in (self.queue, self.own) if policy is not None)

    @property
    def fatal(self) -> tuple[type[BaseException], ...]:
        """Errors after which nobody must try again, as far as the user has said so.

        What a job system or a library adds may be no error at all, but its way to end a job.
        """
        return tuple(dict.fromkeys(error for policy in self.policies if not policy.source for error in policy.fatal))

    @property
    def is_given(self) -> bool:
        """True if the user has said what is to happen when the job is given up, and not only its decorators."""
        return self.flag is not None or any(not policy.source for policy in self.policies)

    def having(self, policy: RetryPolicy) -> Retrying:
        """The same with a policy, in place of what there was at its level."""
        return replace(self, queue=policy) if policy.level == "queue" else replace(self, own=policy)


NOTHING_KNOWN = Retrying()
