"""Hypothesis as the driver: it draws an index into a sorted plan, so shrinking the index shrinks the schedule."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Schedule
from jobchaos.errors import UsageError
from jobchaos.explore.plan import FAMILIES, plan

_MARGIN = 100  # calls that Hypothesis may spend on examples from its database and on duplicates


def schedules(effects: int, *, families: Sequence[str] = FAMILIES) -> st.SearchStrategy[Schedule]:
    """Schedules for a job with that many effects, each durable; shrinks towards the simplest.

    Args:
        effects: How many steps the job has, 0 or more.
        families: Which of `duplicate`, `concurrent` and `crash` to draw from.

    Raises:
        UsageError: For a negative number or an unknown family.
    """
    if effects < 0:
        raise UsageError(f"a job cannot have {effects} effects")
    for family in families:
        if family not in FAMILIES:
            raise UsageError(f"unknown family {family!r}; known are {', '.join(FAMILIES)}")
    steps = [Effect("step", str(number), durable=True) for number in range(effects)]
    planned = {
        schedule: None
        for family in families
        for schedule in plan(family, steps, deliveries=2, preemptions=1, kills=1)
    }
    if not planned:
        raise UsageError("no family, no schedules: name at least one")
    return st.sampled_from(sorted(planned, key=lambda schedule: schedule.simplicity))


def drive(size: int, fails: Callable[[int], bool], *, key: bytes, seed: int, limit: int) -> None:
    """Let Hypothesis look for a failing index, and shrink and remember it.

    It calls `fails` with each index of `range(size)` at most once in a row of new ones, beginning with those that its
    database remembers. Coverage is the caller's to count: Hypothesis stops at a failure, and at `limit` calls.

    Args:
        size: Number of schedules in the plan.
        fails: Runs one schedule; True if it fails.
        key: What the failing index is remembered under.
        seed: Seed of Hypothesis's choices where they matter: in a plan that is larger than `limit`.
        limit: Most new indices to try.
    """
    settings = hypothesis.settings(max_examples=limit + _MARGIN, deadline=None)
    # Hypothesis does not use its database when it is given a source of random choices. A plan within the limit is
    # covered completely, so that the order does not matter.
    choices = None if size <= limit else random.Random(seed)  # noqa: S311
    try:
        hypothesis.find(st.integers(0, size - 1), fails, settings=settings, random=choices, database_key=key)
    except NoSuchExample:
        return


def inside_hypothesis() -> bool:
    """True if the caller is an example of the user's own `@given` test: then plans are run without a second driver."""
    return hypothesis.currently_in_test_context()
