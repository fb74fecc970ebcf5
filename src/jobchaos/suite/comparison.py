"""Comparison: the states of runs of one test, of which two without any fault show what differs anyway."""

from __future__ import annotations

from jobchaos.core.compare import Ignore, compare
from jobchaos.core.diff import Diff
from jobchaos.core.fresh import Fresh
from jobchaos.core.snapshot import State
from jobchaos.suite.chance import by_chance

LEDGERS = frozenset({"mail", "http", "queue", "pubsub"})
"""Stores of what others have received. They begin anew in each run."""
_NOTHING = Fresh(())


def difference(first: State | None, second: State | None, state: State | None, ignore: Ignore) -> Diff | None:
    """How a state differs from the first one.

    Tables that are unsteady are left out.

    Returns:
        None if nobody can tell.
    """
    if first is None or second is None or state is None:
        return None
    # A database that was not met in all runs, because a fixture had it open, tells nothing; a ledger not met is empty.
    usual = first.keys() & second.keys()
    names = (usual & state.keys()) | (LEDGERS & (usual | state.keys()))
    first, second, state = ({name: one[name] for name in names & one.keys()} for one in (first, second, state))
    diff = _compared(first, second, state, ignore)
    unsteady = unsteady_tables(first, second, ignore) if diff else frozenset()
    return Diff(tuple(change for change in diff.changes if change.table not in unsteady), diff.equal)


def unsteady_tables(first: State | None, second: State | None, ignore: Ignore) -> frozenset[str]:
    """Tables in which two runs without any fault have left different rows, as those of earlier runs are left there.

    What differs by chance only is no such thing.
    """
    if first is None or second is None:
        return frozenset()
    common = {name for name in first if name in second and name not in LEDGERS}
    first, second = ({name: one[name] for name in common} for one in (first, second))
    return frozenset(change.table for change in _compared(first, second, second, ignore).changes)


def _compared(first: State, second: State, state: State, ignore: Ignore) -> Diff:
    return compare(
        first,
        state,
        initial={},
        expected_fresh=_NOTHING,
        actual_fresh=_NOTHING,
        volatile=by_chance(first, second),
        ignore=ignore,
    ).diff
