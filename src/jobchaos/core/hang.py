"""Hang: what becomes of a call whose far side never answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jobchaos.core.effect import Site

SECOND = 10**9
"""Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Hang:
    """One call, as its driver would go through it if nobody answered.

    Attributes:
        far: Resource path of who is waited for: `host:127.0.0.1:25`, `sql:/tmp/app.db`, `lock:state`. It stays silent
            until the attempt ends, whatever is tried.
        timeout: Seconds until the driver gives up by itself, as it really is at this moment; None if it never does.
        failure: Makes the error that the driver raises then; None if the call just returns without success.
        advice: What to write to set the timeout: `requests.post(..., timeout=...)`.
        waits_for: `connection`: nothing can have been applied. `answer`: the far side may have done it, and its answer
            is late. `lock`: the wait is for one's turn; its holder is somebody who does the same.
    """

    far: str
    timeout: float | None
    failure: Callable[[], Exception] | None
    advice: str
    waits_for: Literal["connection", "answer", "lock"] = "answer"

    @property
    def nanoseconds(self) -> int | None:
        """The timeout; None if there is none."""
        return None if self.timeout is None else round(max(self.timeout, 0) * SECOND)


@dataclass(frozen=True, slots=True)
class HangPoint:
    """A wait of one attempt that nobody need answer.

    Attributes:
        steps: How many effects have ended before it.
        number: Which wait it is since then, from 1.
        call: What waits, in the words of the effect that it belongs to; empty if it belongs to none.
        writes: True if that effect changes anything; also if there is none, as nobody knows then.
        site: The line of the project's code that waits.
        far: See `Hang`.
        timeout: Nanoseconds; None if there is none.
        advice: See `Hang`.
        waits_for: See `Hang`.
    """

    steps: int
    number: int
    call: str
    writes: bool
    site: Site | None
    far: str
    timeout: int | None
    advice: str
    waits_for: str
