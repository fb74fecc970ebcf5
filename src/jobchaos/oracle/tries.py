"""Tries: how often a call that is out was tried in a run, and when."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from jobchaos.core.call import Call
from jobchaos.core.delays import Interval, told
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.trace import Happening, Trace, TraceEvent

_INJECTED = "(not applied)"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The tries of one call in one delivery of the job.

    Attributes:
        began: When the delivery began, in virtual nanoseconds.
        failed: When each failing try was made.
        tried: The same, and when the first one was made that went through after them.
        succeeded: How many tries went through after the last failing one.
    """

    began: int
    failed: tuple[int, ...]
    tried: tuple[int, ...]
    succeeded: int


def tries(trace: Trace) -> tuple[Delivery, ...]:
    """The tries of the first call that fails in a run, delivery by delivery; of those in which it failed."""
    first = next((event for event in trace.events if _is_injected(event)), None)
    if first is None or first.effect is None:
        return ()
    call = Call.of(first.effect)
    began: dict[tuple[str, int], int] = {}
    events: dict[tuple[str, int], list[TraceEvent]] = {}
    for event in trace.events:
        attempt = event.copy, event.attempt
        if event.happening is Happening.DELIVERED:
            began[attempt] = event.at
        elif event.happening is Happening.EFFECT and event.effect is not None and Call.of(event.effect) == call:
            events.setdefault(attempt, []).append(event)
    return tuple(_delivery(began[attempt], made) for attempt, made in events.items() if any(map(_is_injected, made)))


def applied(trace: Trace, call: Call) -> int:
    """How often a call went through in a run."""
    return sum(event.applied and Call.of(event.effect) == call for event in trace.events if event.effect is not None)


def failing_call(trace: Trace) -> Call | None:
    """The first call that fails in a run, by a fault."""
    first = next((event for event in trace.events if _is_injected(event)), None)
    return None if first is None or first.effect is None else Call.of(first.effect)


def begins_by_watching(trace: Trace) -> bool:
    """True if the first call that fails in a run is one of Redis's, made while keys are watched.

    Its clients take any error there for a changed key (`WatchError`), so that jobs begin again, as their documentation
    has it. They end with the first `WATCH` that is not answered, which comes first if it is the server that is out.
    """
    events = list(itertools.takewhile(lambda event: not _is_injected(event), trace.events))
    labels = (event.effect.label for event in reversed(events) if event.effect is not None and event.applied)
    return next((label for label in labels if label.startswith(("WATCH ", "UNWATCH", "MULTI"))), "").startswith(
        "WATCH "
    )


def tried_again(trace: Trace) -> bool:
    """True if the very call that fails first in a run, or whose answer is lost or late, is made again and answered."""
    events = [event for event in trace.events if event.happening is Happening.EFFECT]
    failing = next((number for number, event in enumerate(events) if not _is_answered(event)), len(events))
    calls = [event.effect and (event.effect.label, event.effect.site) for event in events]
    return any(
        calls[number] == calls[failing] and _is_answered(events[number]) for number in range(failing, len(events))
    )


def too_many_or_few(delivery: Delivery, policy: RetryPolicy) -> str:
    """How the number of tries differs from the policy's, in words; empty if it does not.

    Args:
        delivery: One in which the call was tried.
        policy: The job's own.
    """
    made = len(delivery.failed) + bool(delivery.succeeded)
    for number in range(1, made + 1):
        elapsed = delivery.failed[min(number, len(delivery.failed)) - 1] - delivery.failed[0]
        more = policy.next(number, elapsed) is not None
        if not more and number < made:
            return f"tries it {made} times in one delivery, where its policy has {number}"
        if more and number == made and not delivery.succeeded:
            return f"gives up after {made} of {_counted(policy)} tries in one delivery"
    return ""


def at_another_time(delivery: Delivery, policy: RetryPolicy) -> str:
    """Which try comes at another time than the policy says, in words; empty if none does.

    The policy may be about the call alone, or about all of the job, which then comes back to the call as long after its
    beginning as the first time.
    """
    offset = delivery.failed[0] - delivery.began
    for number in range(1, len(delivery.tried)):
        waited = delivery.tried[number] - delivery.tried[number - 1]
        planned = policy.next(number, delivery.failed[number - 1] - delivery.failed[0])
        if planned is not None and not any(_within(waited - late, planned) for late in (0, offset)):
            return f"tries again after {told(waited)}, where its policy says {planned}, after try {number}"
    return ""


def _counted(policy: RetryPolicy) -> str:
    return "endless" if policy.is_endless else str(policy.executions)


def _within(waited: int, planned: Interval) -> bool:
    return planned.low <= waited <= planned.high


def _delivery(began: int, made: list[TraceEvent]) -> Delivery:
    last = max(number for number, event in enumerate(made) if _is_injected(event))
    failed = tuple(event.at for event in made if _is_injected(event))
    succeeded = [event.at for event in made[last + 1 :] if event.applied]
    return Delivery(began, failed, (*failed, *succeeded[:1]), len(succeeded))


def _is_answered(event: TraceEvent) -> bool:
    return event.applied and "(reply lost" not in event.detail and "(answered too late" not in event.detail


def _is_injected(event: TraceEvent) -> bool:
    return event.happening is Happening.EFFECT and not event.applied and event.detail.endswith(_INJECTED)
