"""Sleeping takes virtual time only, under whatever name."""

from __future__ import annotations

import time
from time import sleep

import pytest

from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, effects, seen

genuine = time.sleep


def test_sleeping_advances_the_clock_and_is_a_step(watch: Watch) -> None:
    run = watch(lambda: time.sleep(3600), "A", SleepProbe(watch.bindings))
    assert seen(run) == ["sleep 3600 s"]
    assert watch.clock.now() == 3600 * 10**9
    assert not effects(run)[0].durable


def test_an_early_bound_sleep_is_seen_too(watch: Watch) -> None:
    assert seen(watch(lambda: sleep(0.5), "A", SleepProbe(watch.bindings))) == ["sleep 0.5 s"]


def test_the_genuine_function_is_back_afterwards(watch: Watch) -> None:
    watch(lambda: sleep(1), "A", SleepProbe(watch.bindings))
    assert time.sleep is genuine
    assert sleep is genuine


def test_a_negative_length_is_refused_as_by_python(watch: Watch) -> None:
    run = watch(lambda: time.sleep(-1), "A", SleepProbe(watch.bindings))
    assert run.copies["A"].error == "ValueError: sleep length must be non-negative"


@pytest.mark.parametrize("token", ["A0 B A", "A0!kill A"])
def test_a_sleeper_can_be_paused_and_killed(watch: Watch, token: str) -> None:
    run = watch(lambda: time.sleep(1), token, SleepProbe(watch.bindings))
    assert run.completed
    assert run.carried_out
