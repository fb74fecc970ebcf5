"""Hang: what becomes of a call whose far side never answers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jobchaos.core.effect import Effect, Site

SECOND = 10**9
"""Nanoseconds."""
NEVER = "never answered"
"""How a call ends, in a trace, that has no timeout."""
_EPHEMERAL = re.compile(r"(127\.[0-9.]+|::1):(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[4-6]\d{4})")


@dataclass(frozen=True, slots=True)
class Hang:
    """One call, as its driver would go through it if nobody answered.

    Attributes:
        far: Resource path of who is waited for: `host:127.0.0.1:25`, `sql:/tmp/app.db`, `lock:state`. It stays silent
            until the attempt ends, whatever is tried; but if it was the answer that did not come, connections are made.
        timeout: Seconds until the driver gives up by itself, as it really is at this moment; None if it never does.
        failure: Makes the error that the driver raises then; None if the call just returns without success.
        advice: What to write to set the timeout: `requests.post(..., timeout=...)`.
        waits_for: `connection`: nothing can have been applied. `answer`: the far side may have done it, and its answer
            is late. `work`: the far side is at it, and takes it back when it is given up, so no answer is late. `lock`:
            the wait is for one's turn; its holder is somebody who does the same.
    """

    far: str
    timeout: float | None
    failure: Callable[[], Exception] | None
    advice: str
    waits_for: Literal["connection", "answer", "work", "lock"] = "answer"

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
        effect: The effect that it is a part of; None if it is a part of none.
        site: The line of the project's code that waits.
        far: See `Hang`.
        timeout: Nanoseconds; None if there is none.
        advice: See `Hang`.
        waits_for: See `Hang`.
    """

    steps: int
    number: int
    effect: Effect | None
    site: Site | None
    far: str
    timeout: int | None
    advice: str
    waits_for: str


def seconds(nanoseconds: int) -> str:
    """A time, exactly: `10 s`, `0.05 s`, `259200 s`."""
    return f"{nanoseconds / SECOND:.9f}".rstrip("0").rstrip(".") + " s"


def name_of(far: str) -> str:
    """Who is waited for, in a report: without the kind of resource, folders, and a port that the system has chosen.

    Ports from 32768 on are handed out to servers that do not care, as in tests; each time it is another one.

    Args:
        far: See `Hang.far`.
    """
    path = far.partition(":")[2].rstrip("/")
    chosen = _EPHEMERAL.fullmatch(path)
    return chosen.group(1) if chosen is not None else posixpath.basename(path) or far
