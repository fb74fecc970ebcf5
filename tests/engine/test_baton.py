"""The baton: while a check runs, locks are not what they are else, and the baton does not notice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from jobchaos.engine.baton import Baton
from jobchaos.probes.base import Patches
from jobchaos.probes.lock_methods import replace_methods


@pytest.fixture
def no_locks() -> Iterator[None]:
    """Nobody can use a lock."""
    patches = Patches()
    replace_methods(patches, type(threading.Lock()), dict.fromkeys(("acquire", "release", "__enter__", "__exit__")))
    yield
    patches.undo()


@pytest.mark.usefixtures("no_locks")
def test_it_is_handed_over_and_back() -> None:
    baton = Baton()
    assert not baton.wait(0)
    baton.lend()
    baton.receive()
    baton.hand_back()
    assert baton.wait(0)
