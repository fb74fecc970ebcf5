"""Lengths: values that tell how long something took, shown by a run in which time passes with each look at it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable

from jobchaos.core.conditions import DRIFT

_NUMBER = re.compile(r"'?(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)'?")
_INTERVAL = re.compile(
    r"'(?:(?P<days>\d+) days?,? )?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)'"
    r"|'P(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>[\d.]+)S)?)?'"
)
"""As Python and PostgreSQL write one, or ISO 8601."""
_PARTS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1, "d": 86400, "h": 3600, "m": 60, "s": 1}
_UNITS = (1.0, 10**3, 10**6, 10**9)
"""Seconds, and what is stored in their place."""
_ROUNDED = 0.51  # of the unit that a value is rounded to
_MOST = 1000  # looks


def are_lengths(values: Counter[Hashable], slow: Counter[Hashable]) -> bool:
    """True if all values that differ are longer by what the looks at the clock have taken.

    Others differ because time has passed: what was kept for a while is gone.

    Args:
        values: The shapes of a column's values, and how often each is there.
        slow: The same after a run in which `DRIFT` passes with each look.
    """
    was, now = (_seconds(differing) for differing in (values - slow, slow - values))
    return bool(was) and len(was) == len(now) and all(map(_have_passed, was, now))


def _seconds(shapes: Counter[Hashable]) -> list[float]:
    """In order; none at all if one of them is no length."""
    found = [_length(shape) for shape in shapes.elements()]
    return [] if None in found else sorted(length for length in found if length is not None)


def _length(shape: Hashable) -> float | None:
    text = str(shape[1]) if isinstance(shape, tuple) and len(shape) == 2 else ""
    number, interval = _NUMBER.fullmatch(text), _INTERVAL.fullmatch(text)
    if interval is not None:
        return sum(float(part) * _PARTS[name] for name, part in interval.groupdict().items() if part)
    return None if number is None else float(number[1])


def _have_passed(was: float, now: float) -> bool:
    look, difference = DRIFT / 10**9, now - was
    looks = [(unit, round(difference / unit / look)) for unit in _UNITS]
    return any(1 <= many <= _MOST and abs(difference - many * look * unit) <= _ROUNDED for unit, many in looks)
