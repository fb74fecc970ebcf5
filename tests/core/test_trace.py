"""Trace: what can be asked about one run."""

from __future__ import annotations

from jobchaos.core.trace import Happening, Trace, TraceEvent


def trace(*happened: tuple[Happening, str]) -> Trace:
    return Trace(tuple(TraceEvent(happening, copy, 1, None, "", 0) for happening, copy in happened))


def test_a_delivery_after_the_end_repeats() -> None:
    assert trace(
        (Happening.DELIVERED, "A"), (Happening.FINISHED, "A"), (Happening.DELIVERED, "A"), (Happening.FINISHED, "A")
    ).repeats()


def test_a_delivery_after_a_death_does_not_repeat() -> None:
    assert not trace((Happening.DELIVERED, "A"), (Happening.KILLED, "A"), (Happening.DELIVERED, "A")).repeats()


def test_another_copy_does_not_repeat() -> None:
    assert not trace((Happening.DELIVERED, "A"), (Happening.FINISHED, "A"), (Happening.DELIVERED, "B")).repeats()
