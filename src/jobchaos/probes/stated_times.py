"""Times in the values of a statement: a lock row with a time limit is told by `now + 60` among them.

Virtual time stands still between steps, so what a job has made from the clock is a whole distance away from it. Known
are numbers since the epoch in seconds, milliseconds, microseconds and nanoseconds, dates with times, and these as text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobchaos.core.conditions import Clock
from jobchaos.core.effect import Mode, Touch
from jobchaos.core.ports import Worker

_SECOND = 10**9
_DAY = 24 * 3600 * _SECOND
_FARTHEST = 400 * _DAY
_FIRST = 10**9 * _SECOND  # in 2001: smaller numbers are no times
_PRECISION = 1000  # ns; what a float of seconds since the epoch can tell
_UNITS = (_SECOND, 10**6, 10**3, 1)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")
_PERHAPS = re.compile(r"\d{10}|\d{4}-\d\d-\d\d[ T]")
_IN_TEXT = re.compile(
    r"(?P<moment>\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)"
    r"|(?<![\w.])(?P<number>\d{10,19}(?:\.\d+)?)(?![\w.])"
)
_LITERAL = re.compile(
    r"""'(?P<moment>\d{4}-\d\d-\d\d[ T]\d\d:\d\d[^']*)'
    |'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|(?<![\w.])(?P<number>\d{10,19}(?:\.\d+)?)(?!\d)""",
    re.VERBOSE,
)
_LOCKS = re.compile(r"(?:^|[^a-z])(?:un)?(?:lock|leas|claim|mutex|semaphor|reserv|owner|holder)", re.IGNORECASE)


def note_times(
    worker: Worker, clock: Clock, sql: str, calls: Sequence[Any], touches: Iterable[Touch], changed: int
) -> None:
    """Tell of the leases and deadlines in one statement that has gone through.

    A statement that writes a time to come is taken for a lock if it also compares with the present, or an earlier time
    (`UPDATE ... SET expires = ? WHERE expires < ?`), or if it speaks of locks, leases, claims or owners. To write
    the same rows again without such a time gives it back.

    Args:
        worker: Who has run it.
        clock: Virtual time.
        sql: Its text.
        calls: Its bound values, once for each time it ran.
        touches: What it has read and written.
        changed: How many rows it has changed; 0 or less if it could not tell.
    """
    distances = [distance for parameters in calls for distance in _distances(parameters, clock.wall(worker.copy))]
    written = [touch.resource for touch in touches if touch.mode is not Mode.READ]
    if distances:  # hardly ever, and this is a hot path
        _note_deadlines(worker, distances, writes=bool(written))
    if written and changed > 0:
        ttl = _ttl(sql, distances) if distances else 0
        for resource in written:
            if ttl:
                worker.lease(f"lease:{resource}", ttl)
            else:
                worker.release(f"lease:{resource}", and_parts=True)


def written_in(sql: str) -> tuple[int | float | str, ...]:
    """What may be moments among the values that a driver has put into the text of a statement.

    Args:
        sql: Its text.
    """
    if not _PERHAPS.search(sql):
        return ()
    return _found(_LITERAL, sql)


def distances_in(text: str, wall: int) -> list[int]:
    """How far the times in a text are from now, in nanoseconds.

    Args:
        text: What somebody has written into a file.
        wall: Now, in nanoseconds since the epoch.
    """
    return list(_distances(_found(_IN_TEXT, text), wall)) if _PERHAPS.search(text) else []


def speaks_of_locks(text: str) -> bool:
    """True if a text has words such as `lock`, `lease`, `claim` or `owner`."""
    return _LOCKS.search(text) is not None


def _found(pattern: re.Pattern[str], text: str) -> tuple[int | float | str, ...]:
    found = [match.group("moment", "number") for match in pattern.finditer(text)]
    return tuple(
        moment or (float(number) if "." in number else int(number)) for moment, number in found if moment or number
    )


def _note_deadlines(worker: Worker, distances: Sequence[int], *, writes: bool) -> None:
    longest = max((0, *distances)) - min((0, *distances))  # with a margin for clocks that are wrong
    for distance in dict.fromkeys((*map(abs, distances), longest) if longest else distances):
        if distance or writes:
            worker.deadline(distance)


def _ttl(sql: str, distances: Sequence[int]) -> int:
    """For how long a statement that writes these times takes a lock; 0 if it does not."""
    to_come = [distance for distance in distances if distance > 0]
    past = [-distance for distance in distances if distance < 0]
    if to_come and (0 in distances or past or speaks_of_locks(sql)):
        return max(to_come) + max(past, default=0)  # a margin for clocks that are wrong
    return max(past) if past and 0 in distances else 0  # claimed now, unless that was done within a time


def _distances(parameters: Any, wall: int) -> Iterator[int]:
    """How far the times among some values are from now, in nanoseconds."""
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return
    for value in values:
        distance = _distance(value, wall)
        if distance is not None and abs(distance) <= _FARTHEST:
            yield distance


def _distance(value: object, wall: int) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _of_number(value, wall)
    if isinstance(value, str) and _ISO.match(value):
        try:
            value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    return _of_moment(value, wall) if isinstance(value, datetime.datetime) else None


def _of_number(value: float, wall: int) -> int | None:
    for unit in _UNITS:
        if isinstance(value, float):
            nanoseconds = round(value * unit) if value < _FIRST else 0
            here = wall
        else:
            nanoseconds, here = value * unit, wall // unit * unit  # the job has cut off the rest, too
        if nanoseconds >= _FIRST and abs(nanoseconds - here) <= _FARTHEST:
            return _rounded(nanoseconds - here)
    return None


def _of_moment(moment: datetime.datetime, wall: int) -> int:
    """Of a naive one the nearer of both: it may be in UTC, or local."""
    both = [moment] if moment.tzinfo else [moment.replace(tzinfo=datetime.timezone.utc), moment.astimezone()]
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    here = wall // _SECOND * _SECOND if moment.microsecond == 0 else wall // 1000 * 1000
    distances = [(one - epoch) // datetime.timedelta(microseconds=1) * 1000 - here for one in both]
    return _rounded(min(distances, key=abs))


def _rounded(nanoseconds: int) -> int:
    return round(nanoseconds / _PRECISION) * _PRECISION
