"""Reasons: why a test that has to do with tasks executes none of them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.probes.base import Patches
from jobchaos.probes.django_statements import waits_for_commit
from jobchaos.suite.sends import SENDS, Send

_SENDS = frozenset(
    {"delay", "apply_async", "delay_on_commit", "send_task", "enqueue", "enqueue_job", "send", "send_with_options"}
    | {"kiq", "kicker", "defer", "defer_async", "schedule"}
)
FOREIGN_BROKER = "foreign_broker"


class Reasons:
    """Notices what keeps tasks from being executed: `.delay` that is patched, a queue that is not worked off."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._found: set[str] = set()
        self._sends: set[Send] = set()
        self._watches_mocks = False

    def refresh(self, systems: Sequence[str]) -> None:
        """Watch what has been imported by now."""
        if systems and sys.modules.get("unittest.mock") is not None and not self._watches_mocks:
            self._watches_mocks = True
            from unittest import mock

            self._watch_patches(mock._patch)  # noqa: SLF001
        for send in SENDS:
            if send.system in systems and sys.modules.get(send.module) is not None and send not in self._sends:
                self._sends.add(send)
                self._watch_sends(send, getattr(sys.modules[send.module], send.owner))

    def look(self) -> None:
        """Called at the end of a test, before anything is rolled back."""
        if waits_for_commit():
            self._found.add("on_commit")

    def take(self) -> set[str]:
        """What was noticed since the last call."""
        found, self._found = self._found, set()
        return found

    def close(self) -> None:
        """Stop watching."""
        self._patches.undo()

    def _watch_patches(self, patch: Any) -> None:
        genuine: Callable[..., Any] = patch.__enter__

        def enter(patcher: Any) -> Any:
            if patcher.attribute in _SENDS:
                self._found.add("patched")
            return genuine(patcher)

        self._patches.set(patch, "__enter__", enter)

    def _watch_sends(self, send: Send, owner: Any) -> None:
        genuine: Callable[..., Any] = vars(owner)[send.method]

        def sending(sender: Any, *args: Any, **kwargs: Any) -> Any:
            self._found.add(f"enqueued {send.system}" if send.is_local(sender) else FOREIGN_BROKER)
            return genuine(sender, *args, **kwargs)

        self._patches.set(owner, send.method, functools.wraps(genuine)(sending))
