"""DjangoCacheProbe: what is read from and written to Django's cache in local memory, which stands for a server's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.statement import literal

_READING = frozenset({"get", "has_key"})
_METHODS = ("add", "get", "set", "touch", "incr", "has_key", "delete", "clear")
"""All others of a cache are made of these, as on a server."""


class DjangoCacheProbe(LibraryProbe):
    """Makes a step of each call."""

    library = "django.core.cache.backends.locmem"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        owner = sys.modules[self.library].LocMemCache
        for name in _METHODS:
            self.patches.set(owner, name, self._stepping(name, vars(owner)[name]))

    def _stepping(self, name: str, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def call(cache: Any, *args: Any, **kwargs: Any) -> Any:
            worker = self.worker()
            if worker is None:
                return genuine(cache, *args, **kwargs)
            effect = _effect(cache, name, args, kwargs)
            worker.touch(effect.touches[0].resource)
            return worker.perform(
                effect,
                lambda: genuine(cache, *args, **kwargs),
                failure=_failure,
                outcome=lambda value: _told(value, reading=name in _READING),
            )

        return call


def _effect(cache: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Effect:
    place = next(name for name, content in _contents().items() if content is cache._cache)  # noqa: SLF001 - has no name
    mode = Mode.READ if name in _READING else Mode.WRITE
    shown = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())])
    resource = f"cache:{place}"
    if name != "clear":
        key = kwargs["key"] if "key" in kwargs else args[0]
        resource = f"{resource}/{cache.make_key(key, version=kwargs.get('version'))}"
    return Effect("cache", f"cache.{name}({shown})", (Touch(resource, mode),), durable=mode is Mode.WRITE)


def _contents() -> dict[str, Any]:
    contents: dict[str, Any] = sys.modules[DjangoCacheProbe.library]._caches  # noqa: SLF001 - kept nowhere else
    return contents


def _told(value: Any, *, reading: bool) -> str:
    if value is None and not reading:
        return ""
    return f"-> {literal(value) if isinstance(value, str) else repr(value)}"


def _failure() -> Exception:
    return ConnectionError("the cache did not answer")
