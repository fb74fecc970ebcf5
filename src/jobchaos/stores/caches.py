"""CacheStore: what a function of the project's remembers of its calls, as by `functools.cache`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeGuard

from jobchaos.core.project import is_project_file
from jobchaos.core.snapshot import Snapshot
from jobchaos.stores.base import BaseStore

_Cached = functools._lru_cache_wrapper  # noqa: SLF001 - the type has no other name


class CacheStore(BaseStore):
    """Forgets, as a new process knows nothing: a job often keeps its connection so. It is no state to be compared.

    Args:
        function: The function. What it remembers from before the check stays.
        name: Short name for reports.
    """

    def __init__(self, function: Callable[..., Any], *, name: str) -> None:
        super().__init__(name)
        self._function = function
        self._was_empty = False

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return False

    def capture(self) -> None:
        """See `Store.capture`."""
        self._was_empty = not self._function.cache_info().currsize  # type: ignore[attr-defined]

    def restore(self) -> None:
        """See `Store.restore`."""
        if self._was_empty:
            self._function.cache_clear()  # type: ignore[attr-defined]

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return Snapshot({})


def is_cached(value: object) -> TypeGuard[Callable[..., Any]]:
    """True for a function of the project's that remembers its calls."""
    code = getattr(getattr(value, "__wrapped__", None), "__code__", None)
    return isinstance(value, _Cached) and code is not None and is_project_file(code.co_filename)
