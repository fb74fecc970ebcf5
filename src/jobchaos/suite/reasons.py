"""Reasons: why a test that has to do with tasks executes none of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from jobchaos.probes.base import Patches
from jobchaos.probes.django_statements import waits_for_commit

_SENDS = frozenset(
    {"delay", "apply_async", "delay_on_commit", "send_task", "enqueue", "enqueue_job", "send", "send_with_options"}
    | {"kiq", "kicker", "defer", "defer_async", "schedule"}
)
_LOCAL = re.compile(r"(localhost|127(\.\d{1,3}){3}|::1)?")
_HERE = ("memory", "filesystem", "cache")
_ELSEWHERE = ("sqs", "gcpubsub", "azureservicebus", "azurestoragequeues")


class Reasons:
    """Notices what keeps tasks from being executed: `.delay` that is patched, a queue that is not worked off."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._found: set[str] = set()
        self._installed: set[str] = set()

    def refresh(self, systems: Sequence[str]) -> None:
        """Watch what has been imported by now."""
        if systems and "unittest.mock" in sys.modules and "mock" not in self._installed:
            self._installed.add("mock")
            from unittest import mock

            self._watch_patches(mock._patch)  # noqa: SLF001
        if "Celery" in systems and "Celery" not in self._installed:
            self._installed.add("Celery")
            from celery import Celery

            self._watch_celery(Celery)

    def take(self) -> set[str]:
        """What was noticed since the last call."""
        found, self._found = self._found, set()
        if waits_for_commit():
            found.add("on_commit")
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

    def _watch_celery(self, celery: Any) -> None:
        genuine: Callable[..., Any] = celery.send_task

        def send_task(app: Any, *args: Any, **kwargs: Any) -> Any:
            self._found.add("enqueued" if _is_local(str(app.conf.broker_url or "")) else "foreign_broker")
            return genuine(app, *args, **kwargs)

        self._patches.set(celery, "send_task", send_task)


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme in (*_HERE, *_ELSEWHERE):
        return parts.scheme in _HERE
    return _LOCAL.fullmatch(parts.hostname or "") is not None
