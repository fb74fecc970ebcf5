"""Executing: what all adapters hand over as an execution; and what they replace while they watch for them."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jobchaos.core.classes import defining
from jobchaos.core.effect import Site
from jobchaos.core.terms import Terms

Replace = Callable[[Any, str, object], None]
HandOver = Callable[[Any, Callable[..., Any], "tuple[Any, ...]", "dict[str, Any]"], Any]


_executing: ContextVar[bool] = ContextVar("jobchaos_executing", default=False)


def is_executing() -> bool:
    """True within an execution that has been handed over."""
    return _executing.get()


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
    call: Callable[[], Any]
    is_async: bool = False
    failed: Callable[[Any], bool] = never

    def run(self) -> Any:
        """See `Execution.run`."""
        __tracebackhide__ = True
        if self.is_async:
            return self._awaited()
        before = _executing.set(True)
        try:
            return self.call()
        finally:
            _executing.reset(before)

    async def _awaited(self) -> Any:
        __tracebackhide__ = True
        before = _executing.set(True)
        try:
            return await self.call()
        finally:
            _executing.reset(before)


def defined_at(function: Callable[..., Any]) -> Site | None:
    """Where a function is defined; None if that is not in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else Site(code.co_filename, code.co_firstlineno, code.co_name)


_calling: ContextVar[object] = ContextVar("jobchaos_calling", default=None)


def hand_over_outermost(replace: Replace, base: type, name: str, hand_over: HandOver) -> None:
    """Hand over each call of a method, also where users' classes override it and call `super()`: the whole, once.

    Args:
        replace: See `replacing`.
        base: The system's own class.
        name: The method.
        hand_over: Takes the object, what calls its method, and the arguments, and returns what that returns.
    """
    for owner in defining(base, name):
        replace(owner, name, _outermost(vars(owner)[name], hand_over, is_last=owner is base))


def _outermost(genuine: Callable[..., Any], hand_over: HandOver, *, is_last: bool) -> Callable[..., Any]:
    @functools.wraps(genuine)
    def called(thing: Any, *args: Any, **kwargs: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            before = _calling.set(None if is_last else thing)  # what the user's function calls is another call
            try:
                return genuine(thing, *args, **kwargs)
            finally:
                _calling.reset(before)

        return call(*args, **kwargs) if _calling.get() is thing else hand_over(thing, call, args, kwargs)

    return called


@contextlib.contextmanager
def replacing() -> Iterator[Replace]:
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
