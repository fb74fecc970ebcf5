"""Graph: the mutable objects that can be reached from some others, and how to put them back as they were."""

from __future__ import annotations

import types
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable
from typing import Any

from jobchaos.errors import TooLargeError
from jobchaos.stores.attributes import attributes_of, has_attributes, slots_in_use, slots_of

_MOST = 100_000
_OPAQUE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, property)


class Graph:
    """What mutable objects held at one moment, each of them kept by identity.

    Functions, classes, modules, and objects without attributes that Python can set (locks, sockets) are left alone.

    Args:
        roots: Where to start.
        name: What they are called, for errors.

    Raises:
        TooLargeError: If they are so many that to restore them before each schedule would take for ever.
    """

    def __init__(self, roots: Iterable[object], name: str = "") -> None:
        self._put_back: dict[int, Callable[[], None]] = {}
        waiting = list(roots)
        while waiting:
            thing = waiting.pop()
            if id(thing) in self._put_back or isinstance(thing, _OPAQUE):
                continue
            waiting += self._keep(thing)
            if len(self._put_back) > _MOST:
                raise TooLargeError(
                    f"{name} leads to more than {_MOST} objects, among them a {type(thing).__name__}. So many cannot "
                    "be restored before each schedule; let the job know less"
                )

    def restore(self) -> None:
        """Put everything back, in place."""
        for put_back in self._put_back.values():
            put_back()

    def _keep(self, thing: Any) -> Iterable[object]:
        """Remember one object; return what it refers to."""
        if isinstance(thing, tuple | frozenset):
            return thing
        inner, put_back = _contents(thing)
        if put_back is None and not has_attributes(thing):
            return inner
        attributes = attributes_of(thing)

        def both() -> None:
            if put_back is not None:
                put_back()
            _set_attributes(thing, attributes)

        self._put_back[id(thing)] = both  # which keeps the object, or another could get its id
        return [*inner, *attributes.values()]


def _contents(thing: Any) -> tuple[list[object], Callable[[], None] | None]:
    """What a container holds, and what puts it back: by the base's methods, as a subclass may mean others by theirs."""
    if isinstance(thing, dict):
        mapping = OrderedDict if isinstance(thing, OrderedDict) else dict
        pairs = dict.copy(thing)  # with the keys' hashes, which may depend on attributes that are not back yet

        def refill() -> None:
            if not _same(mapping.items(thing), pairs.items()):
                mapping.clear(thing)
                mapping.update(thing, pairs)

        return [part for pair in pairs.items() for part in pair], refill
    if isinstance(thing, list | deque | bytearray | array):
        items = list(thing)
        return [] if isinstance(thing, bytearray | array) else items, _refilling(thing, items)
    if isinstance(thing, set):
        members = set(thing)
        identities = set(map(id, members))

        def reunite() -> None:
            if set(map(id, thing)) != identities:
                set.clear(thing)
                set.update(thing, members)

        return list(members), reunite
    return [], None


def _refilling(thing: Any, items: list[Any]) -> Callable[[], None]:
    base: Any = next(base for base in (list, deque, bytearray, array) if isinstance(thing, base))

    def replace() -> None:
        while len(thing) > len(items):
            base.pop(thing)
        for index in range(len(thing)):
            base.__setitem__(thing, index, items[index])
        base.extend(thing, items[len(thing) :])

    return replace


def _same(items: Iterable[tuple[Any, Any]], others: Collection[tuple[Any, Any]]) -> bool:
    """True for the very same keys and values in the same order."""
    pairs = list(items)
    return len(pairs) == len(others) and all(
        key is other_key and value is other for (key, value), (other_key, other) in zip(pairs, others, strict=True)
    )


def _set_attributes(thing: Any, attributes: dict[str, object]) -> None:
    """Each by itself: threads that do not belong to the job, as a test's server, must find all of them all the time."""
    own = getattr(thing, "__dict__", None)
    slots = slots_of(type(thing))
    if own is not None:
        for name in [name for name in own if name not in attributes]:
            del own[name]
        own.update({name: value for name, value in attributes.items() if name not in slots})
    in_use = slots_in_use(thing)
    for name in slots:
        if name in attributes and attributes[name] is not in_use.get(name, attributes):
            object.__setattr__(thing, name, attributes[name])
        elif name not in attributes and name in in_use:
            object.__delattr__(thing, name)
