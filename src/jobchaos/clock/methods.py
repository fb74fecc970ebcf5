"""Methods of the genuine `datetime` that objects of libraries keep, as `Column(default=datetime.utcnow)` does.

Each look at `datetime.utcnow` makes another object, which freezegun cannot recognise, and a library may keep it
anywhere. The garbage collector knows where. To ask it takes as long as a few runs of a job, so it is asked anew only
when further modules were loaded.
"""

from __future__ import annotations

import functools
import gc
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import freezegun.api

CLASSES = {id(freezegun.api.real_datetime): "datetime.datetime", id(freezegun.api.real_date): "datetime.date"}
_NAMES = ("now", "utcnow", "today")


class Place(NamedTuple):
    """Where something is kept: how to look at it, and how to put something else there."""

    get: Callable[[], Any]
    put: Callable[[Any], None]


def name_of(value: object) -> str:
    """`datetime.datetime.now`, of such a method; empty for anything else."""
    if type(value) is not types.BuiltinMethodType or value.__name__ not in _NAMES:
        return ""
    owner = CLASSES.get(id(value.__self__))
    return f"{owner}.{value.__name__}" if owner else ""


def kept_methods() -> list[tuple[Any, Place]]:
    """All that are kept where another one can be put, and where."""
    return _kept(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _kept(_modules: int) -> list[tuple[Any, Place]]:
    found = [one for one in gc.get_objects() if type(one) is types.BuiltinMethodType and name_of(one)]
    return [(method, place) for method in found for place in _places(method)]


def _places(method: Any) -> Iterator[Place]:
    for keeper in gc.get_referrers(method):
        if isinstance(keeper, functools.partial):
            yield in_partial(keeper)
        elif isinstance(keeper, types.CellType):
            yield Place(functools.partial(_contents, keeper), functools.partial(setattr, keeper, "cell_contents"))
        elif type(keeper) is dict:
            yield from _in_dict(keeper, method)
        elif not isinstance(keeper, type | types.FrameType | list | tuple):
            yield from _in_dict(getattr(keeper, "__dict__", {}), method)  # whose attributes are kept without one


def in_partial(keeper: functools.partial[Any]) -> Place:
    """Where a `partial` keeps its function."""

    def put(new: Any) -> None:
        keeper.__setstate__((new, keeper.args, keeper.keywords, vars(keeper)))  # type: ignore[attr-defined]  # as pickle does

    return Place(lambda: keeper.func, put)


def _in_dict(keeper: dict[Any, Any], method: Any) -> Iterator[Place]:
    if _is_of_class(keeper):
        return  # Python does not notice a change there
    for key in [key for key, value in keeper.items() if value is method]:
        yield Place(functools.partial(keeper.get, key), functools.partial(keeper.__setitem__, key))


def _is_of_class(keeper: dict[Any, Any]) -> bool:
    return "__module__" in keeper and "__name__" not in keeper  # a module has both


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty by now
        return None
