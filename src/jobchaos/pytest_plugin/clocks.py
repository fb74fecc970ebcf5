"""The session's fake clock, which shows virtual time in a test's call phase only.

A freeze that spans pytest's phases would end up in the durations that pytest measures.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from jobchaos.pytest_plugin.options import settings_for

if TYPE_CHECKING:
    from jobchaos.core.settings import Settings
    from jobchaos.fake_clock import FakeClock

_CLOCK = pytest.StashKey["FakeClock"]()
_REST = pytest.StashKey[contextlib.ExitStack]()
_THREADS = pytest.StashKey[set[threading.Thread]]()
_SHARED_WORKER = "celery_session_worker"
_SHARED = (
    "the worker of celery_session_worker was there before this test, and time must not go back for it afterwards: it "
    "sees real time, and countdowns, retries and sleeps of its tasks do not follow fake_clock. Use the fixture "
    "celery_worker, whose worker is the test's own"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def of(config: pytest.Config) -> FakeClock:
    """The session's clock, which begins anew in every test."""
    from jobchaos.fake_clock import FakeClock

    return config.stash.setdefault(_CLOCK, FakeClock())


@contextlib.contextmanager
def running(item: pytest.Item) -> Iterator[None]:
    """Virtual time, if the test asks for it. It begins at the marker's `now`, or at the real time."""
    if not _uses_clock(item):
        yield
        return
    if _SHARED_WORKER in getattr(item, "fixturenames", ()):
        item.warn(pytest.PytestWarning(_SHARED))
    end(item)  # of an earlier try
    with contextlib.ExitStack() as undo:
        undo.enter_context(_begin(item))
        try:
            yield
        finally:
            if of(item.config).leave():
                item.stash[_REST] = undo.pop_all()


def end(item: pytest.Item) -> None:
    """Real time for all: a test is torn down, and with it the threads that had to find time where they had left it."""
    item.stash.get(_REST, contextlib.ExitStack()).close()


def _begin(item: pytest.Item) -> contextlib.AbstractContextManager[None]:
    now = settings_for(item).now
    start = None if now is None else (now - _EPOCH) // timedelta(microseconds=1) * 1000
    module = getattr(item, "module", None)
    threads = item.stash.get(_THREADS, set())
    return of(item.config).running(start, getattr(module, "__name__", ""), threads)


@contextlib.contextmanager
def setting_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads that a fixture of one test starts belong to the test."""
    before = set(threading.enumerate())
    yield
    if request.scope == "function" and _uses_clock(request.node):
        request.node.stash.setdefault(_THREADS, set()).update(set(threading.enumerate()) - before)


def settings_at_present(item: pytest.Item) -> Settings:
    """The settings for a check that begins now; with a fake clock, the marker's `now` was where that began."""
    settings = settings_for(item)
    return settings if not _uses_clock(item) else dataclasses.replace(settings, now=None)


def _uses_clock(item: pytest.Item) -> bool:
    return "fake_clock" in getattr(item, "fixturenames", ())
