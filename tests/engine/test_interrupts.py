"""Ctrl-C is neither lost nor raised where it does harm."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import weakref

import pytest

from jobchaos.engine.death import WorkerKilled
from jobchaos.engine.interrupts import deferred, interrupt, patiently
from jobchaos.engine.strand import Strand


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class Thing:
    """Something that weak references can be made to."""


def test_an_interrupt_takes_effect_where_it_may() -> None:
    def run() -> None:
        ctrl_c()
        reached.append("after it")
        interrupt()

    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt), deferred():
        run()
    assert reached == ["after it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_a_callback_is_not_lost() -> None:
    def run() -> None:
        thing = Thing()
        callback = weakref.ref(thing, lambda _: ctrl_c())
        del thing
        assert callback() is None

    with pytest.raises(KeyboardInterrupt), deferred():
        run()


def test_an_impatient_second_one_is_raised_at_once() -> None:
    def run() -> None:
        ctrl_c()
        ctrl_c()
        pytest.fail("it was not")

    with pytest.raises(KeyboardInterrupt), deferred():
        run()


def test_nothing_is_pending_after_another_error() -> None:
    def fail() -> None:
        ctrl_c()
        raise LookupError

    with pytest.raises(LookupError), deferred():
        fail()
    with deferred():
        interrupt()


def test_the_handlers_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(_number: int, _frame: object) -> None:
        heard.append("other")

    heard: list[str] = []
    before = signal.signal(signal.SIGINT, other)
    try:
        with deferred():
            ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == ["other"]


def test_who_waits_in_vain_is_interrupted() -> None:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        ctrl_c()
        return False

    with pytest.raises(KeyboardInterrupt), deferred():
        patiently(wait, 60)
    assert len(waits) == 1
    assert waits[0] < 1


def test_the_parts_of_a_wait_are_the_whole() -> None:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    assert not patiently(wait, 1.1)
    assert sum(waits) == pytest.approx(1.1)


def test_an_interrupted_thread_is_brought_to_its_end() -> None:
    def main() -> None:
        ctrl_c()
        with contextlib.suppress(WorkerKilled):
            while True:
                time.sleep(0)

    strand = Strand(main, "jobchaos A1")
    with pytest.raises(KeyboardInterrupt), deferred():
        strand.lend(60)
    assert strand.end(60)
    assert "jobchaos A1" not in {thread.name for thread in threading.enumerate()}
