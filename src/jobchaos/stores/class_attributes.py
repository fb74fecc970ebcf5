"""ClassAttributes: what a class of the project keeps, as a mapping, to be kept and put back like a module's names."""

from __future__ import annotations

import abc
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

from jobchaos.core.project import is_project_file


class ClassAttributes(MutableMapping[str, Any]):
    """Name to value, of a class's own attributes.

    Args:
        owner: The class.
    """

    def __init__(self, owner: type) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        return vars(self._owner)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._owner, name, value)

    def __delitem__(self, name: str) -> None:
        delattr(self._owner, name)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self._owner))

    def __len__(self) -> int:
        return len(vars(self._owner))


def is_projects_class(value: object) -> bool:
    """True for a class of the project's whose attributes are no more than that: no enumeration, no model of an ORM."""
    if type(value) not in (type, abc.ABCMeta):
        return False
    module = sys.modules.get(str(getattr(value, "__module__", "")))
    return is_project_file(getattr(module, "__file__", None) or "<unknown>")
