"""MockProbe: each call of a mock is an effect: it stands for something that is not there in tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches

RAN_OUT = " has run out of answers"
"""Ends the label of an effect that says so."""


class MockProbe(BaseProbe):
    """Does nothing unless `unittest.mock` has been imported. What a mock stands for, nobody can know."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        if sys.modules.get("unittest.mock") is not None:
            from unittest import mock

            base = mock.CallableMixin  # no other place is passed by all kinds of mocks
            genuine = vars(base)["_increment_mock_call"]

            def counted(called: Any, /, *args: Any, **kwargs: Any) -> Any:
                worker = None if self._control is None else self._control.current()
                if worker is None:
                    return genuine(called, *args, **kwargs)
                name = called._extract_mock_name()  # noqa: SLF001 - what its own error messages call it
                effect = Effect("mock", f"{name}()", (Touch(f"mock:{name}", Mode.APPEND),), durable=True)
                return worker.perform(effect, lambda: genuine(called, *args, **kwargs), failure=_failure)

            self._patches.set(base, "_increment_mock_call", counted)
            self._patches.set(base, "_execute_mock_call", self._executing(vars(base)["_execute_mock_call"]))
            later = mock.AsyncMockMixin
            self._patches.set(later, "_execute_mock_call", self._awaiting(vars(later)["_execute_mock_call"]))

    def _executing(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        """A mock with a list of answers was given as many as the test needs, and has none for a further delivery."""

        def executed(called: Any, /, *args: Any, **kwargs: Any) -> Any:
            try:
                return genuine(called, *args, **kwargs)
            except StopIteration:
                self._note_end(called)
                raise

        return executed

    def _awaiting(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        """The same of an AsyncMock."""

        async def executed(called: Any, /, *args: Any, **kwargs: Any) -> Any:
            try:
                return await genuine(called, *args, **kwargs)
            except StopAsyncIteration:
                self._note_end(called)
                raise

        return executed

    def _note_end(self, called: Any) -> None:
        worker = None if self._control is None else self._control.current()
        if worker is not None and not worker.dead:
            worker.begin(Effect("mock", f"{called._extract_mock_name()}(){RAN_OUT}"), _failure).done()  # noqa: SLF001

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None


def _failure() -> Exception:
    return ConnectionError("no answer")
