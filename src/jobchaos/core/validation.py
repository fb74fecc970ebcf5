"""Validation: refuses bad values of settings, with the setting's name and the value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from jobchaos.errors import UsageError


def require_one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a value that is not one of those known."""
    if value not in known:
        raise UsageError(f"{name} must be one of {', '.join(known)}; got {value!r}")


def require_whole(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is no whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{name} must be a whole number from {low} to {high}; got {value!r}")


def require_seconds(name: str, value: object) -> None:
    """Refuse what is no number of seconds above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise UsageError(f"{name} must be a number of seconds above 0, got {value!r}")


def require_seconds_or_zero(name: str, value: object) -> None:
    """Refuse what is no number of seconds, 0 included."""
    if value != 0 or isinstance(value, bool):
        try:
            require_seconds(name, value)
        except UsageError:
            raise UsageError(f"{name} must be a number of seconds, 0 for none; got {value!r}") from None


def require_share(name: str, value: object) -> None:
    """Refuse what is no share from 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise UsageError(f"{name} must be a share from 0 to 1, got {value!r}")


def require_aware(name: str, value: object) -> None:
    """Refuse a moment without a timezone."""
    if value is not None and (not isinstance(value, datetime) or value.utcoffset() is None):
        raise UsageError(f"{name} must be a timezone-aware datetime, got {value!r}; add tzinfo=timezone.utc")


def strings(name: str, value: object) -> tuple[str, ...]:
    """A list of strings as a tuple; refuse anything else."""
    items = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else (None,)
    strings = tuple(item for item in items if isinstance(item, str))
    if len(strings) != len(items):
        raise UsageError(f"{name} must be a list of strings, got {value!r}")
    return strings
