"""Clocks that are kept somewhere are looked for once, replaced while a worker moves, or told as advice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from jobchaos.probes.held_clocks import HeldClockProbe
from tests.probes.conftest import Watch


@dataclass
class Kept:
    """Something that is shown and hidden again."""

    text: str
    can_be_replaced: bool
    shown: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.text

    def show(self) -> Callable[[], None]:
        self.shown.append("shown")
        return lambda: self.shown.append("hidden")


@pytest.mark.parametrize("texts", [[], ["shop.LATER keeps time.time", "shop.TWO keeps time.time"]])
def test_what_cannot_be_replaced_is_told(watch: Watch, texts: list[str]) -> None:
    asked: list[list[str]] = []

    def find(modules: Iterable[str]) -> list[Kept]:
        asked.append(list(modules))
        return [Kept(text, can_be_replaced=False) for text in texts]

    run = watch(time.time, "A A", HeldClockProbe([{"__name__": "shop"}, {"amount": 1}], find))
    assert asked == [["shop"]]
    assert [code for code, _ in run.oddities] == ["JC710"] * bool(texts)
    assert all(sentence in text for _, text in run.oddities for sentence in texts)


def test_what_can_be_is_replaced_while_a_worker_moves(watch: Watch) -> None:
    kept = Kept("shop.job(now=) keeps time.time", can_be_replaced=True)
    run = watch(lambda: kept.shown.append("read"), "A A", HeldClockProbe([], lambda _: [kept]))
    assert kept.shown == ["shown", "read", "hidden"] * 2
    assert not run.oddities
