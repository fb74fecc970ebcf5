"""Hypothesis as the driver, of plans and of samples.

In a plan it draws an index into sorted schedules, so that shrinking the index shrinks the schedule. Beyond a plan it
draws the random choices of a sampler, and climbs towards schedules that reverse the order of many effects.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence

import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Schedule
from jobchaos.errors import TokenError, UsageError
from jobchaos.explore.plan import FAMILIES, plan
from jobchaos.explore.sampling import Draw, Space, canonical, pct, pos

Outcome = tuple[bool, float]
"""Whether a schedule fails, and how far astray it went: the more, the more its neighbours are worth a try."""

_MARGIN = 100  # calls that Hypothesis may spend on examples from its database and on duplicates
_ROUND = 1000  # fewer calls hardly show what target() does, says Hypothesis's documentation
_PATIENCE = 500  # so many known schedules in a row, and there are hardly any others
_SEEDS = 2**24  # of larger ranges Hypothesis prefers the small numbers
_DEPTH = 3  # nearly all known concurrency bugs need 3 ordering constraints or less (Burckhardt et al., ASPLOS 2010)


def schedules(effects: int, *, families: Sequence[str] = FAMILIES) -> st.SearchStrategy[Schedule]:
    """Schedules for a job with that many effects, each durable; shrinks towards the simplest.

    Args:
        effects: How many steps the job has, 0 or more.
        families: Which of `duplicate`, `concurrent`, `crash`, `timeout` and `retry` to draw from.

    Raises:
        UsageError: For a negative number or an unknown family.
    """
    if effects < 0:
        raise UsageError(f"a job cannot have {effects} effects")
    for family in families:
        if family not in FAMILIES:
            raise UsageError(f"unknown family {family!r}; known are {', '.join(FAMILIES)}")
    steps = [Effect("step", str(number), durable=True) for number in range(effects)]
    planned = {schedule: None for family in families for schedule in plan(family, steps)}
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


def sample(
    space: Space,
    run: Callable[[Schedule], Outcome | None],
    *,
    key: bytes,
    seed: int,
    limit: int,
    first: Sequence[Schedule] = (),
) -> Schedule | None:
    """Look for a failing schedule in a space that is too large to cover, until one fails or the budget is spent.

    Those that failed in an earlier session are tried first, then `first`, then PCT and POS, half each. No schedule is
    run twice. What is tried depends on the arguments, on what is remembered and on what `run` gives, and on nothing
    else.

    Args:
        space: What to sample.
        run: Runs a schedule. None in place of an outcome ends the search: the deadline is over, it was not run.
        key: What a failing schedule is remembered under.
        seed: Seed of the choices.
        limit: Most schedules to run, 1 or more.
        first: Schedules that are likely to fail.

    Returns:
        The schedule that failed, as it was drawn and not yet minimal; None if none did.
    """
    search = _Search(run, limit, identical=space.identical)
    memory = Memory(key)
    choices = random.Random(seed)  # noqa: S311
    with contextlib.suppress(_SearchIsOver):
        known = [schedule for schedule in memory.recall() if schedule in space]
        for schedule in (*known, *first):
            search.visit(schedule)
        while inside_hypothesis():
            search.visit(_drawn(space, choices.randrange))
        while True:
            _climb(_drawings(space), search, choices)
    memory.update({schedule: fails for schedule, (fails, _) in search.outcomes.items()})
    return search.failed


def inside_hypothesis() -> bool:
    """True if the caller is an example of the user's own `@given` test: then plans are run without a second driver."""
    return hypothesis.currently_in_test_context()


class _SearchIsOver(BaseException):
    """Ends a search. No `Exception`, as Hypothesis would take it for a failure of the schedule, and repeat that."""


class _Search:
    """Runs every schedule once, and knows when to stop."""

    def __init__(self, run: Callable[[Schedule], Outcome | None], limit: int, *, identical: bool) -> None:
        self._run = run
        self._limit = limit
        self._identical = identical
        self._repeats = 0
        self.outcomes: dict[Schedule, Outcome] = {}

    @property
    def failed(self) -> Schedule | None:
        return next((schedule for schedule, (fails, _) in self.outcomes.items() if fails), None)

    def visit(self, schedule: Schedule) -> float:
        """Run a schedule, if it is a new one, and give how far astray it went."""
        schedule = canonical(schedule) if self._identical else schedule
        if schedule in self.outcomes:
            self._repeats += 1
            if self._repeats == _PATIENCE:
                raise _SearchIsOver
            return self.outcomes[schedule][1]
        self._repeats = 0
        outcome = self._run(schedule)
        if outcome is None:
            raise _SearchIsOver
        self.outcomes[schedule] = outcome
        if outcome[0] or len(self.outcomes) == self._limit:
            raise _SearchIsOver
        return outcome[1]


class Memory:
    """Tokens of failing schedules, in the user's Hypothesis database.

    A token, and not Hypothesis's own choices, still means the same when the job has changed a little.

    Args:
        key: What they are remembered under.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._database = hypothesis.settings().database

    def recall(self) -> list[Schedule]:
        """What is remembered, simplest first."""
        tokens = [] if self._database is None else self._database.fetch(self._key)
        found = [schedule for token in tokens if (schedule := _read(token)) is not None]
        return sorted(found, key=lambda schedule: schedule.simplicity)

    def update(self, fails: Mapping[Schedule, bool]) -> None:
        """Remember what fails, and forget what does not any more."""
        if self._database is None:
            return
        known = set(self._database.fetch(self._key))
        for schedule, failing in fails.items():
            token = str(schedule).encode()
            if failing:
                self._database.save(self._key, token)
            elif token in known:
                self._database.delete(self._key, token)


def _read(token: bytes) -> Schedule | None:
    try:
        return Schedule.parse(token.decode())
    except (TokenError, UnicodeDecodeError):  # somebody else's
        return None


def _climb(drawings: st.SearchStrategy[Schedule], search: _Search, choices: random.Random) -> None:
    """One round: Hypothesis draws for half of it, and then varies what went furthest astray."""

    def visit(schedule: Schedule) -> bool:
        hypothesis.target(search.visit(schedule), label="reversals")
        return False

    phases = [hypothesis.Phase.generate, hypothesis.Phase.target]
    settings = hypothesis.settings(max_examples=_ROUND, phases=phases, database=None, deadline=None)
    with contextlib.suppress(NoSuchExample):
        hypothesis.find(drawings, visit, settings=settings, random=choices)


@st.composite
def _drawings(draw: st.DrawFn, space: Space) -> Schedule:
    return _drawn(space, lambda below: draw(st.integers(0, below - 1)))


def _drawn(space: Space, draw: Draw) -> Schedule:
    if draw(2):
        return pct(space.effects, _DEPTH, draw, space.kills)
    # Only PCT's choices are so few that Hypothesis can make each (10 us), and so direct that there is a way up.
    return pos(space.effects, space.dependent, random.Random(draw(_SEEDS)).randrange, space.kills)  # noqa: S311
