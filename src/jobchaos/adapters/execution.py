"""Executing: what all adapters hand over as an execution; and what they replace while they watch for them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jobchaos.core.effect import Site
from jobchaos.core.terms import Terms


def never(_result: Any) -> bool:
    """No result stands for a failure: what a task raises is raised."""
    return False


@dataclass(frozen=True, slots=True)
class Executing:
    """Implements `Execution`; see there."""

    task: str
    site: Site | None
    id: str
    terms: Terms
    run: Callable[[], Any]
    is_async: bool = False
    failed: Callable[[Any], bool] = never


def defined_at(function: Callable[..., Any]) -> Site | None:
    """Where a function is defined; None if that is not in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else Site(code.co_filename, code.co_firstlineno, code.co_name)


@contextlib.contextmanager
def replacing() -> Iterator[Callable[[Any, str, object], None]]:
    """Give a function that replaces attributes: they are put back at the end, in reverse order, whatever happens.

    One that was only inherited disappears again.
    """
    with contextlib.ExitStack() as undo:

        def replace(owner: Any, name: str, value: object) -> None:
            if name in vars(owner):
                undo.callback(setattr, owner, name, vars(owner)[name])
            else:
                undo.callback(delattr, owner, name)
            setattr(owner, name, value)

        yield replace
