"""Independence: which effects of different copies may change places without anybody noticing.

Resources are paths in a tree. Two effects are dependent iff they use overlapping parts of it and their uses conflict:
all but two reads, or two appends, do. This is sound as far as effects tell all they use; what a probe does not know it
must report as its widest resource. The relation is that of partial order reduction (Flanagan and Godefroid, "Dynamic
partial-order reduction for model checking software", POPL 2005).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from jobchaos.core.effect import HELD, Effect, Mode, Touch

_Touches = tuple[Touch, ...]
_COMMUTING = (Mode.READ, Mode.APPEND)
_REMEMBERED = 1 << 16


def dependent(one: Effect, other: Effect) -> bool:
    """True if the order of two effects may matter.

    Args:
        one: An effect of one copy.
        other: An effect of another; the effects of one copy never change places.
    """
    return _first_conflict(one.touches, one.locks, other.touches, other.locks) is not None


def conflicts(one: Effect, other: Effect) -> tuple[Touch, Touch] | None:
    """The first two uses, of `one` and of `other`, because of which their order may matter; None if it does not."""
    return _first_conflict(one.touches, one.locks, other.touches, other.locks)


def lasting(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """The same effects, each with the locks that its worker takes, or asks for, before it makes the next one.

    A worker goes on after an effect until it arrives at the next; when it is stopped there, it has those locks already.

    Args:
        effects: Those of one attempt, in order.
    """
    following = [*effects[1:], Effect("end", "")]
    return tuple(_under_those_of(effect, after) for effect, after in zip(effects, following, strict=True))


def _under_those_of(effect: Effect, after: Effect) -> Effect:
    kept = tuple(lock for lock in after.locks if lock.resource.endswith(HELD))
    return effect._replace(locks=effect.locks + kept) if kept else effect


@functools.lru_cache(maxsize=_REMEMBERED)
def _first_conflict(
    touches: _Touches, locks: _Touches, other_touches: _Touches, other_locks: _Touches
) -> tuple[Touch, Touch] | None:
    for mine in touches + locks:
        for theirs in other_touches + other_locks:
            commute = mine.mode is theirs.mode and mine.mode in _COMMUTING
            if not commute and (_covers(mine.resource, theirs.resource) or _covers(theirs.resource, mine.resource)):
                return mine, theirs
    return None


def _covers(wide: str, narrow: str) -> bool:
    """True if `narrow` is `wide`, or in the tree below it: `sql:a.db` covers `sql:a.db/users`, `mail:` all mail."""
    if not narrow.startswith(wide):
        return False
    return len(narrow) == len(wide) or wide.endswith(("/", ":")) or narrow[len(wide)] == "/"
