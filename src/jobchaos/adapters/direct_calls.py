"""DirectCalls: sees plain functions that are tasks where they are called directly, whoever holds a reference to them.

Problem: a test may call `send_invoice(42)`, `task.run(42)` or `actor.fn(42)`. Such a function belongs to no system, and
whoever has imported it has it itself: there is no attribute to replace.

Solution: the code inside the function object is replaced for a while. The function stays the same object, with the same
signature, name, file, line and defaults; so pickling, `inspect`, coverage and debuggers see what they have always seen.
"""

from __future__ import annotations

import functools
import gc
import inspect
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jobchaos.adapters.execution import Executing, Replace, defined_at, is_executing
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.terms import Terms

if TYPE_CHECKING:
    from typing_extensions import Self

_HAND_OVER = "jobchaos: what hands over"  # stands in compiled code for the object that is put there
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class DirectCalls:
    """Hands over direct calls of functions as executions, until it is closed.

    What a task calls within its own execution is a part of that, and what a system calls to execute a task as well.

    Args:
        around: Is handed the executions.
        learned: What has turned out to be a task while such a one was open before; what does now is added.
    """

    def __init__(self, around: Around, learned: list[Plain] | None = None) -> None:
        self._around = around
        self._learned: list[Plain] = [] if learned is None else learned
        self._genuine: dict[types.FunctionType, types.CodeType] = {}
        for plain in self._learned:
            self.watch(*plain)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all functions their own code back."""
        for function, code in self._genuine.items():
            function.__code__ = code
        self._genuine.clear()

    def watch_made(
        self, replace: Replace, kind: type, described: Callable[[Any], Plain], made_in: str = "__init__"
    ) -> None:
        """See the calls of functions that a system's objects carry: of those it has, and of those it will make.

        Args:
            replace: See `replacing`.
            kind: The objects' class.
            described: Gives what to `watch` of one.
            made_in: The method at whose end one is made.
        """
        genuine = getattr(kind, made_in)

        @functools.wraps(genuine)
        def made(thing: Any, *args: Any, **kwargs: Any) -> None:
            genuine(thing, *args, **kwargs)
            self.learn(*described(thing))

        replace(kind, made_in, made)
        for thing in alive(kind):
            self.watch(*described(thing))

    def learn(self, function: object, task: str, terms: Callable[[], Terms]) -> None:
        """See its calls from now on; so far, nothing has told that it is a task. See `watch`."""
        if self.watch(function, task, terms):
            self._learned.append((function, task, terms))

    def watch(self, function: object, task: str, terms: Callable[[], Terms]) -> bool:
        """See a function's calls from now on.

        Args:
            function: Of it, or of the method that it is, calls are seen. Only Python's own functions have code to
                replace; generators are no tasks.
            task: What its system calls it.
            terms: Gives what its system would do with it.

        Returns:
            False if nothing has changed: it cannot be watched, or is already.
        """
        function = getattr(function, "__func__", function)
        if not isinstance(function, types.FunctionType) or _is_watched(function.__code__):
            return False
        genuine = function.__code__
        if genuine.co_flags & _GENERATORS:
            return False
        is_async = inspect.iscoroutinefunction(function)

        def hand_over(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            call = functools.partial(_with_code(function, genuine), *args, **kwargs)
            if is_executing():
                return call()
            return self._around(Executing(task, defined_at(function), "", terms(), call, is_async=is_async))

        function.__code__ = _instead_of(genuine, hand_over)
        self._genuine[function] = genuine
        return True


def alive(kind: type) -> Iterator[Any]:
    """All objects of a class that the program has by now: also those that no registry knows."""
    # By `type`, as `isinstance` would wake lazy objects, which say that they are something else.
    return (thing for thing in gc.get_objects() if issubclass(type(thing), kind))


def _with_code(function: types.FunctionType, code: types.CodeType) -> types.FunctionType:
    genuine = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    genuine.__kwdefaults__ = function.__kwdefaults__
    return genuine


def _is_watched(code: types.CodeType) -> bool:
    return any(inspect.isfunction(constant) for constant in code.co_consts)


def _instead_of(code: types.CodeType, hand_over: Callable[..., Any]) -> types.CodeType:
    """Code with the same signature, place and free variables, that only passes on its arguments."""
    declared, passed = _parameters(code)
    is_async = code.co_flags & inspect.CO_COROUTINE
    # All on one line, that of the function's beginning. The free variables are mentioned, as there must be as many.
    free = code.co_freevars
    mentioned = f"lambda: [{', '.join(free)}]; " if free else ""
    call = f"{'await ' if is_async else ''}{_HAND_OVER!r}.__call__({passed})"
    source = f"""
def around():
    {"".join(f"{name} = " for name in free)}None
    {"async " if is_async else ""}def task({declared}): {mentioned}__tracebackhide__ = True; return {call}
"""
    compiled = _code_in(_code_in(compile(source, code.co_filename, "exec", dont_inherit=True)))
    constants = tuple(hand_over if constant == _HAND_OVER else constant for constant in compiled.co_consts)
    place: dict[str, Any] = {
        "co_filename": code.co_filename,
        "co_firstlineno": code.co_firstlineno,
        "co_name": code.co_name,
    }
    if hasattr(code, "co_qualname"):  # from Python 3.11 on
        place["co_qualname"] = code.co_qualname
    return compiled.replace(co_consts=constants, **place)


def _parameters(code: types.CodeType) -> tuple[str, str]:
    """How a function declares its parameters, without defaults, and how they are passed on."""
    count, names = code.co_argcount, code.co_varnames
    keywords = names[count : count + code.co_kwonlyargcount]
    further = iter(names[count + code.co_kwonlyargcount :])
    rest = [f"*{next(further)}"] if code.co_flags & inspect.CO_VARARGS else []
    options = [f"**{next(further)}"] if code.co_flags & inspect.CO_VARKEYWORDS else []
    declared = list(names[:count])
    if code.co_posonlyargcount:
        declared.insert(code.co_posonlyargcount, "/")
    star = rest or (["*"] if keywords else [])
    passed = [*names[:count], *rest, *(f"{name}={name}" for name in keywords), *options]
    return ", ".join([*declared, *star, *keywords, *options]), ", ".join(passed)


def _code_in(code: types.CodeType) -> types.CodeType:
    return next(constant for constant in code.co_consts if inspect.iscode(constant))
