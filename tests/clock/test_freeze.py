"""Controlled threads see virtual time, everybody else real time, and nothing stays patched."""

from __future__ import annotations

import datetime
import threading
import time
import types
import uuid
from collections.abc import Callable
from time import time as early_bound
from typing import Any

import pytest

from jobchaos.clock.freeze import Frozen
from jobchaos.clock.virtual import VirtualClock

START = 1_700_000_000 * 10**9
_real_monotonic = [time.monotonic]


def controlled(call: Callable[[], Any], clock: VirtualClock) -> Any:
    """Run `call` in the one controlled thread, directly as its target."""
    results: list[Any] = []
    local = threading.local()

    def target() -> None:
        local.controlled = True
        results.append(call())

    with Frozen(clock, lambda: getattr(local, "controlled", False)):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    return results[0]


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: time.time(), 1_700_000_000.0),
        (lambda: time.time_ns(), START),
        (lambda: early_bound(), 1_700_000_000.0),
        (lambda: datetime.datetime.now(), datetime.datetime(2023, 11, 14, 22, 13, 20)),
        (
            lambda: datetime.datetime.now(datetime.timezone.utc),
            datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc),
        ),
        (lambda: datetime.date.today(), datetime.date(2023, 11, 14)),
        (lambda: time.strftime("%H:%M", time.gmtime()), "22:13"),
    ],
)
def test_a_controlled_thread_sees_virtual_time(read: Callable[[], Any], expected: Any) -> None:
    assert controlled(read, VirtualClock(START)) == expected


def test_monotonic_time_follows_virtual_time() -> None:
    clock = VirtualClock(START)

    def read() -> float:
        before = time.monotonic()
        clock.advance(61 * 10**9)
        return time.monotonic() - before

    assert controlled(read, clock) == 61


def test_a_module_with_an_unlucky_name_sees_virtual_time() -> None:
    module = types.ModuleType("queue_tools")
    exec("import time\ndef now(): return time.time()", module.__dict__)  # noqa: S102
    assert controlled(module.now, VirtualClock(START)) == 1_700_000_000


def test_other_threads_see_real_time_meanwhile() -> None:
    with Frozen(VirtualClock(START), lambda: False):
        assert time.time() > 1_750_000_000
        assert datetime.datetime.now(datetime.timezone.utc).year > 2023
        assert abs(time.monotonic() - _real_monotonic[0]()) < 60


def test_looking_at_the_time_is_counted() -> None:
    clock = VirtualClock(START)
    controlled(lambda: (time.time(), datetime.datetime.now()), clock)
    assert clock.reads == 2


def test_uuid1_is_made_from_virtual_time() -> None:
    one = controlled(uuid.uuid1, VirtualClock(START))
    assert (one.time - 0x01B21DD213814000) * 100 == START


def test_everything_is_put_back() -> None:
    before = (time.time, time.monotonic, datetime.datetime, early_bound)
    controlled(lambda: None, VirtualClock(START))
    assert (time.time, time.monotonic, datetime.datetime, early_bound) == before


def test_everything_is_put_back_after_an_error() -> None:
    before = (time.time, datetime.datetime)
    with pytest.raises(KeyboardInterrupt), Frozen(VirtualClock(START), lambda: False):
        raise KeyboardInterrupt
    assert (time.time, datetime.datetime) == before
