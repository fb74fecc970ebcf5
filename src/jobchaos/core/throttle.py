"""Throttle: how many calls to one far end are allowed in any window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from jobchaos.core.call import NO_CALLS
from jobchaos.core.delays import Seconds, exact, told
from jobchaos.core.effect import Effect
from jobchaos.core.trace import Happening, Trace
from jobchaos.errors import UsageError

_SECOND = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """At most `calls` calls in any window of `per` seconds. Tries that fail count, too: the far end has had them.

    Attributes:
        calls: How many.
        per: Seconds.
        to: A part of the text of the calls that count (`POST https://api.example.com`); if it is empty, HTTP requests
            count for each host, and mails together.
    """

    calls: int
    per: Seconds
    to: str = ""

    def __post_init__(self) -> None:
        if type(self.calls) is not int or self.calls < 1:
            raise UsageError(
                f"calls must be a whole number from 1, got {self.calls!r}: with none, no work is ever done"
            )
        if exact("per", self.per) == 0:
            raise UsageError("per must be more than 0 seconds")
        if not isinstance(self.to, str):
            raise UsageError(f"to must be a part of the calls' text, as in 'POST https://api.example', got {self.to!r}")

    def __str__(self) -> str:
        return f"{self.calls} calls in any {told(self.window)}"

    @property
    def window(self) -> int:
        """The window in nanoseconds."""
        return round(exact("per", self.per) * _SECOND)

    def target(self, effect: Effect) -> str:
        """The far end of a call that counts; empty if it does not count."""
        if self.to:
            return self.to if effect.kind not in NO_CALLS and self.to in effect.label else ""
        if effect.kind == "http":
            return urlsplit(effect.label.partition(" ")[2]).netloc
        return "mail" if effect.kind == "mail" else ""

    def made(self, trace: Trace) -> dict[str, list[int]]:
        """When the calls of a run were made, in virtual nanoseconds, for each far end."""
        calls: dict[str, list[int]] = {}
        for event in trace.events:
            if event.happening is not Happening.EFFECT or event.effect is None:
                continue
            target = self.target(event.effect)
            if target:
                calls.setdefault(target, []).append(event.at)
        return {target: sorted(moments) for target, moments in calls.items()}

    def applied(self, trace: Trace) -> list[Effect]:
        """The calls of a run that went through."""
        effects = [event.effect for event in trace.events if event.happening is Happening.EFFECT and event.applied]
        return [effect for effect in effects if effect is not None and self.target(effect)]

    def crowd(self, moments: Sequence[int]) -> Sequence[int]:
        """The largest number of calls that fall into one window, first one found.

        Args:
            moments: When they were made, in order.
        """
        best: Sequence[int] = ()
        last = 0
        for first in range(len(moments)):
            while last < len(moments) and moments[last] - moments[first] < self.window:
                last += 1
            if last - first > len(best):
                best = moments[first:last]
        return best
