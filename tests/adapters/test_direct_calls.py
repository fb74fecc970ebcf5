"""Direct calls of plain functions: they are handed over, and nothing else about the functions changes."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.core.adapter import Execution
from jobchaos.core.terms import AfterKill, Terms


def plain(first: int, second: int = 2) -> tuple[object, ...]:
    """Only for tests."""
    return first, second


def every_kind(first: int, /, second: int, *rest: int, third: int = 3, **further: int) -> tuple[object, ...]:
    return first, second, rest, third, further


def only_by_name(*, first: int, second: int = 2) -> tuple[object, ...]:
    return first, second


async def later(first: int) -> tuple[object, ...]:
    await asyncio.sleep(0)
    return (first,)


def recursive(depth: int) -> int:
    return 0 if not depth else 1 + recursive(depth - 1)


def generates() -> Iterator[int]:
    yield 1


def fails() -> None:
    raise ValueError("on purpose")


class Owner:
    def method(self, first: int) -> tuple[object, ...]:
        return self, first


def terms() -> Terms:
    return Terms(
        system="Test", level="body", after_kill=AfterKill.LOST, because="", setting="", retries="", duplicates=""
    )


@pytest.fixture
def handed_over() -> list[Execution]:
    return []


@pytest.fixture
def direct(handed_over: list[Execution]) -> Iterator[DirectCalls]:
    def around(execution: Execution) -> Any:
        handed_over.append(execution)
        return execution.run()

    with DirectCalls(around) as calls:
        yield calls


CALLS: list[tuple[Callable[..., Any], Callable[..., Any], object]] = [
    (plain, lambda: plain(1), (1, 2)),
    (every_kind, lambda: every_kind(1, 2, 3, third=4, fourth=5), (1, 2, (3,), 4, {"fourth": 5})),
    (only_by_name, lambda: only_by_name(first=1), (1, 2)),
    (later, lambda: asyncio.run(later(1)), (1,)),
    (recursive, lambda: recursive(3), 3),
]


@pytest.mark.parametrize(("function", "call", "result"), CALLS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_call_is_one_execution_and_gives_what_it_always_gives(
    direct: DirectCalls,
    handed_over: list[Execution],
    function: Callable[..., Any],
    call: Callable[[], object],
    result: object,
) -> None:
    assert direct.watch(function, "a name", terms)
    assert call() == result
    assert [(one.task, one.id, one.is_async) for one in handed_over] == [("a name", "", function is later)]
    direct.close()
    assert call() == result
    assert len(handed_over) == 1


def test_methods_and_closures_are_seen(direct: DirectCalls, handed_over: list[Execution]) -> None:
    outer, owner = 5, Owner()

    def closure(first: int) -> int:
        return first + outer

    for function in (closure, owner.method):
        assert direct.watch(function, "", terms)
    assert (closure(1), owner.method(2)) == (6, (owner, 2))
    assert len(handed_over) == 2


def test_what_an_execution_itself_calls_is_a_part_of_it(direct: DirectCalls, handed_over: list[Execution]) -> None:
    def calls() -> object:
        return plain(1)

    direct.watch(calls, "outer", terms)
    direct.watch(plain, "inner", terms)
    calls()
    assert [one.task for one in handed_over] == ["outer"]
    assert handed_over[0].run() == (1, 2)
    assert len(handed_over) == 1


def test_only_functions_of_python_that_end_are_watched_once(direct: DirectCalls) -> None:
    assert direct.watch(plain, "", terms)
    assert not direct.watch(plain, "", terms)
    for other in (generates, len, None, "plain", terms()):
        assert not direct.watch(other, "", terms)


def test_a_watched_function_looks_as_it_always_does(direct: DirectCalls) -> None:
    def about(function: Any) -> tuple[object, ...]:
        code = function.__code__
        return (
            inspect.signature(function),
            inspect.getsource(function),
            inspect.iscoroutinefunction(function),
            (function.__name__, function.__doc__, function.__defaults__, function.__kwdefaults__),
            (code.co_filename, code.co_firstlineno, code.co_name, code.co_freevars),
            (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
            code.co_varnames[: code.co_argcount],
        )

    functions = (plain, every_kind, only_by_name, later)
    before = [about(function) for function in functions]
    for function in functions:
        direct.watch(function, "", terms)
    assert [about(function) for function in functions] == before
    assert pickle.loads(pickle.dumps(plain)) is plain
    with pytest.raises(TypeError, match=r"plain\(\) missing 1 required positional argument: 'first'"):
        plain()


def test_defaults_that_change_meanwhile_count(direct: DirectCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    direct.watch(plain, "", terms)
    monkeypatch.setattr(plain, "__defaults__", (7,))
    assert plain(1) == (1, 7)


def test_errors_show_the_line_that_raises(direct: DirectCalls) -> None:
    direct.watch(fails, "", terms)
    with pytest.raises(ValueError, match="on purpose") as caught:
        fails()
    frames = traceback.extract_tb(caught.tb)
    assert frames[-1].line == 'raise ValueError("on purpose")'
    assert str(caught.getrepr(showlocals=True))  # of frames that were made for this, too


def test_lines_are_counted_as_always(direct: DirectCalls) -> None:
    """As coverage and debuggers do."""
    lines: list[int] = []

    def trace(frame: Any, event: str, _: object) -> Any:
        if frame.f_code.co_name == "plain" and event == "line":
            lines.append(frame.f_lineno)
        return trace

    direct.watch(plain, "", terms)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        plain(1)
    finally:
        sys.settrace(before)
    start = inspect.getsourcelines(plain)[1]
    assert lines == [start, start + 2]
