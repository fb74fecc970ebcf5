"""Audit events: Python's own announcements of what is about to happen, for as long as somebody listens.

A hook can never be removed from the interpreter, so there is one, which is installed on first use and does next to
nothing while nobody listens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Listener = Callable[[str, tuple[Any, ...]], None]

_listeners: dict[str, tuple[Listener, ...]] = {}
_hooked: list[bool] = []


def subscribe(event: str, listener: Listener) -> None:
    """Call `listener(event, args)` before each occurrence, in the thread that causes it; it may raise to prevent it."""
    _listeners[event] = (*_listeners.get(event, ()), listener)
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_hook)


def unsubscribe(event: str, listener: Listener) -> None:
    """Undo `subscribe`. Does nothing for a listener that is not there."""
    left = tuple(other for other in _listeners.get(event, ()) if other != listener)
    if left:
        _listeners[event] = left
    else:
        _listeners.pop(event, None)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for listener in _listeners.get(event, ()):
        listener(event, args)
