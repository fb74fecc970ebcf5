"""Classes: where in a family of classes something is defined."""

from __future__ import annotations

from collections.abc import Iterator


def defining(base: type, name: str) -> Iterator[type]:
    """A class and all that are derived from it, as far as they define an attribute themselves.

    Args:
        base: The class.
        name: The attribute's name.
    """
    waiting = [base]
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting += kind.__subclasses__()
            if name in vars(kind):
                yield kind
