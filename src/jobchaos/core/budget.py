"""Budget: how much a family of schedules may cost, counted in schedules, in seconds of real time, or in both."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobchaos.errors import UsageError

MOST = 10**9
"""The largest number of schedules; what a budget of time alone leaves open."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_COUNT = re.compile(r"[0-9]{1,10}")
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Budget:
    """What each family of a check may spend. Whichever limit comes first ends it.

    Attributes:
        schedules: Most schedules to run.
        seconds: Most seconds of real time; None sets no limit.
    """

    schedules: int
    seconds: float | None = None

    @classmethod
    def parse(cls, value: object, default: int) -> Budget:
        """Read what a user wrote.

        Args:
            value: A number of schedules (`2000`, `"2000"`), a time (`"500ms"`, `"30s"`, `"1.5m"`, `"1h"`) or both
                (`"2000, 30s"`). A time alone does not limit the number.
            default: The number of schedules that 0 stands for.

        Raises:
            UsageError: For anything else.
        """
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise _bad(value)
        schedules: int | None = None
        seconds: float | None = None
        for part in map(str.strip, str(value).split(",")):
            if _COUNT.fullmatch(part) and schedules is None and int(part) <= MOST:
                schedules = int(part) or default
            elif (time := _TIME.fullmatch(part)) and seconds is None and float(time[1]) > 0:
                seconds = float(time[1]) * _UNITS[time[2]]
            else:
                raise _bad(value)
        return cls(MOST if schedules is None else schedules, seconds)


def _bad(value: object) -> UsageError:
    return UsageError(
        'budget must be a whole number of schedules (2000), a time ("500ms", "30s", "2m") or both ("2000, 30s"); '
        f"got {value!r}"
    )
