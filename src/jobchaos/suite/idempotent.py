"""Idempotent effects: what the user declares to mean the same, at the far end, when it is repeated."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jobchaos.core.effect import Site
from jobchaos.errors import UsageError
from jobchaos.suite.seen import Act

T = TypeVar("T")

_declared: dict[str, tuple[str, ...]] = {}
"""Where a task's function is defined to the patterns that decorate it."""


def idempotent_effect(*patterns: str) -> Callable[[T], T]:
    """Declare, on a task, that some of its effects mean the same at the far end when they are repeated.

    `@jobchaos.idempotent_effect("PUT https://crm.example/*")`: zero-change mode then never counts them.

    Args:
        *patterns: What an effect's text must match, with `*` and `?`: `POST https://crm.example/*`, `mail`,
            `metrics.incr()` for a mock, `UPDATE counters` for a statement.

    Raises:
        UsageError: If there is no pattern, or what is decorated is no task.
    """
    given: tuple[object, ...] = patterns
    if not given or not all(isinstance(pattern, str) and pattern for pattern in given):
        raise UsageError('idempotent_effect takes patterns: @jobchaos.idempotent_effect("PUT https://crm.example/*")')

    def declare(task: T) -> T:
        names = ("run", "fn", "func", "original_func")
        function: Any = next((getattr(task, name) for name in names if hasattr(task, name)), task)
        code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
        if code is None:
            raise UsageError(f"idempotent_effect decorates a task or its function; got {task!r}")
        place = str(Site(code.co_filename, code.co_firstlineno, code.co_name))
        _declared[place] = (*_declared.get(place, ()), *patterns)
        return task

    return declare


@dataclass(frozen=True, slots=True)
class Idempotent:
    """All declarations.

    Attributes:
        lines: Of the ini file, each `effect pattern`, or `task pattern: effect pattern`.
    """

    lines: Sequence[str] = ()

    def covers(self, task: str, site: Any, act: Act) -> bool:
        """True if a repetition of that effect of a task means nothing."""
        patterns = [pattern for name, pattern in map(_split, self.lines) if fnmatch.fnmatchcase(task, name)]
        patterns += _declared.get(str(site), ())
        return any(
            fnmatch.fnmatchcase(text, pattern) for pattern in patterns for text in (act.label, act.shape, act.kind)
        )


def _split(line: str) -> tuple[str, str]:
    # A task's name has no space, and an effect's pattern has one before any colon (of a URL).
    name, colon, pattern = line.partition(": ")
    return (name.strip(), pattern.strip()) if colon and " " not in name.strip() else ("*", line.strip())
