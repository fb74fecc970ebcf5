"""Methods of locks: replaced and put back, and alive as long as any thread may find them."""

from __future__ import annotations

import ctypes
import threading
import weakref

import pytest

from jobchaos.probes.base import Patches
from jobchaos.probes.lock_methods import replace_methods


def test_no_method_ends_while_python_may_still_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cache holds no reference: a thread that takes a lock in that moment would call what is gone."""
    kind = type(threading.Lock())
    genuine, modified = kind.locked, ctypes.pythonapi.PyType_Modified
    replaced: list[weakref.ref[object]] = []
    alive: list[bool] = []

    def forget(known: object) -> None:
        alive.extend(reference() is not None for reference in replaced)
        modified(known)

    def replace(patches: Patches) -> None:
        def locked(lock: object) -> bool:
            return True

        replace_methods(patches, kind, {"locked": locked})
        replaced.append(weakref.ref(locked))

    patches = Patches()
    replace(patches)
    assert threading.Lock().locked()
    monkeypatch.setattr(ctypes.pythonapi, "PyType_Modified", forget)
    patches.undo()
    assert alive == [True]
    assert replaced[0]() is None
    assert kind.locked is genuine
