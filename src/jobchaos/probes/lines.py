"""LineProbe: each line of the project's own code is a step, for jobs whose effects no other probe sees."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from jobchaos.core.effect import Effect, Mode, Site, Touch
from jobchaos.core.ports import Control, Worker
from jobchaos.errors import InternalError
from jobchaos.probes.base import BaseProbe

_TOUCHES = (Touch("memory:", Mode.WRITE),)
_TOOLS = (4, 3)  # of 0 to 5, those without a predefined use; Hypothesis takes 3 and warns if it cannot


class LineProbe(BaseProbe):
    """Uses `sys.settrace` on Python 3.10 and 3.11, and `sys.monitoring` from 3.12.

    Args:
        is_project_file: Tells whether a file's lines count.
    """

    def __init__(self, is_project_file: Callable[[str], bool]) -> None:
        self._is_project_file = is_project_file
        self._control: Control | None = None
        self._tool = -1
        self._previous: dict[tuple[str, int], Any] = {}

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        if sys.version_info >= (3, 12):
            monitoring = sys.monitoring
            self._tool = next((tool for tool in _TOOLS if monitoring.get_tool(tool) is None), -1)
            if self._tool < 0:
                raise InternalError("line granularity needs sys.monitoring's tool id 3 or 4, but both are in use")
            monitoring.use_tool_id(self._tool, "jobchaos")
            monitoring.register_callback(self._tool, monitoring.events.LINE, self._line)
            monitoring.set_events(self._tool, monitoring.events.LINE)

    def remove(self) -> None:
        """See `Probe.remove`."""
        if sys.version_info >= (3, 12) and self._tool >= 0:
            sys.monitoring.set_events(self._tool, 0)
            sys.monitoring.register_callback(self._tool, sys.monitoring.events.LINE, None)
            sys.monitoring.free_tool_id(self._tool)
            self._tool = -1
        self._control = None

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`."""
        if sys.version_info < (3, 12):
            self._previous[worker.copy, worker.attempt] = sys.gettrace()
            sys.settrace(self._trace)

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        if sys.version_info < (3, 12):
            sys.settrace(self._previous.pop((worker.copy, worker.attempt), None))

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if not self._is_project_file(frame.f_code.co_filename):
            return None
        if event == "line":
            self._step(frame.f_code, frame.f_lineno)
        return self._trace

    def _line(self, code: CodeType, line: int) -> Any:
        if self._is_project_file(code.co_filename):
            self._step(code, line)
        elif sys.version_info >= (3, 12):
            return sys.monitoring.DISABLE
        return None

    def _step(self, code: CodeType, line: int) -> None:
        worker = None if self._control is None else self._control.current()
        if worker is None:
            return
        text = linecache.getline(code.co_filename, line).strip() or f"line {line}"
        site = Site(code.co_filename, line, code.co_name)
        worker.begin(Effect("line", text, _TOUCHES, durable=True, site=site), _failure).done()


def _failure() -> Exception:
    return RuntimeError("injected by jobchaos")
