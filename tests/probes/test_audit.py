"""One hook, many listeners, none left behind."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from jobchaos.probes.audit import subscribe, unsubscribe


def test_listeners_are_called_until_they_unsubscribe() -> None:
    heard: list[tuple[str, tuple[Any, ...]]] = []

    def listen(event: str, args: tuple[Any, ...]) -> None:
        heard.append((event, args))

    subscribe("jobchaos.test", listen)
    sys.audit("jobchaos.test", 1)
    unsubscribe("jobchaos.test", listen)
    unsubscribe("jobchaos.test", listen)
    sys.audit("jobchaos.test", 2)
    assert heard == [("jobchaos.test", (1,))]


def test_a_listener_can_prevent_what_is_announced() -> None:
    def refuse(_event: str, _args: tuple[Any, ...]) -> None:
        raise PermissionError("not now")

    subscribe("jobchaos.test", refuse)
    try:
        with pytest.raises(PermissionError, match="not now"):
            sys.audit("jobchaos.test")
    finally:
        unsubscribe("jobchaos.test", refuse)
    sys.audit("jobchaos.test")
