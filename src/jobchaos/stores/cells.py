"""Cells: the variables of a closure as a mapping, so that they can be kept and put back like a module's names."""

from __future__ import annotations

import types
from collections.abc import Iterator, MutableMapping
from typing import Any


class Cells(MutableMapping[str, Any]):
    """Name to value, of the variables that a function uses of the functions around it.

    Args:
        function: The inner function.
    """

    def __init__(self, function: types.FunctionType) -> None:
        self._cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

    def __getitem__(self, name: str) -> Any:
        try:
            return self._cells[name].cell_contents
        except ValueError:  # not assigned yet
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        self._cells[name].cell_contents = value

    def __delitem__(self, name: str) -> None:
        del self._cells[name].cell_contents

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._cells if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
