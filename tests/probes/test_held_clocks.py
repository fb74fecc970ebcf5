"""Clocks out of reach are looked for once, where the job's code is, and told as advice."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from jobchaos.probes.held_clocks import HeldClockProbe
from tests.probes.conftest import Watch


@pytest.mark.parametrize("held", [[], ["shop.Invoice.created keeps time.time", "shop.job(now=) keeps time.time"]])
def test_what_is_found_is_told(watch: Watch, held: list[str]) -> None:
    asked: list[list[str]] = []

    def find(modules: Iterable[str]) -> list[str]:
        asked.append(list(modules))
        return held

    run = watch(time.time, "A A", HeldClockProbe([{"__name__": "shop"}, {"amount": 1}], find))
    assert asked == [["shop"]]
    assert [code for code, _ in run.oddities] == ["JC710"] * bool(held)
    assert all(sentence in text for _, text in run.oddities for sentence in held)
