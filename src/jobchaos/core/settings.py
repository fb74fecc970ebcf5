"""Settings: how thorough a check is, and what it may touch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobchaos.core.budget import Budget
from jobchaos.core.hang import SECOND
from jobchaos.core.validation import (
    require_aware,
    require_one_of,
    require_seconds,
    require_seconds_or_zero,
    require_share,
    require_whole,
    strings,
)
from jobchaos.errors import UsageError

_BUDGETS = {"quick": 300, "full": 3000}
_DEFAULTS = {
    "replays": {"quick": 1, "full": 10},
    "preemptions": {"quick": 1, "full": 2},
}
_UNSET = {"replays": 0, "preemptions": -1}
_PROFILES = ("quick", "full")
GRANULARITIES = ("auto", "effect", "line", "await")
ISOLATIONS = ("auto", "process", "thread")
DELIVERIES = ("auto", "at-least-once", "at-most-once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to check. Every value is validated when the settings are made.

    Attributes:
        profile: `quick` or `full`; sets the defaults of `budget`, `replays`, `preemptions` and `kills`.
        copies: Most copies of a job that may overlap; 1 to 4.
        preemptions: Most times a running copy is paused for another; -1 takes the profile's (quick 1, full 2).
        kills: Most kills while copies overlap; -1 takes the profile's (quick 0, full 1; 0 if lines are steps).
        granularity: `effect` pauses and kills before effects, `line` also before each line of the project's own
            code, `auto` uses lines only for a job without visible effects. `await` runs all copies of a coroutine job
            as tasks of one event loop, and pauses them where they await, kills them there and before effects.
        isolation: `process` runs every attempt in a process of its own, which dies by SIGKILL; `thread` runs all in
            this one, and simulates death; `auto` explores in threads, and confirms with SIGKILL.
        delivery: What becomes of the message of a killed worker. `auto` does what the job's system is configured for
            (a job without one is delivered again), `at-least-once` always delivers again, as after a planned change,
            `at-most-once` accepts that a kill loses the job.
        follow: Whether jobs that a job enqueues are run, too: after it, by the same worker, each in its turn.
        ignore: `table.column`, `table` or `store.table.column` names to leave out of comparisons.
        seed: Seed of everything random, Hypothesis included.
        budget: What a family may spend, as `Budget.parse` reads it: `2000` schedules, `"30s"` of real time, or
            `"2000, 30s"`; 0 takes the profile's (quick 300, full 3,000 schedules). `limits` has it as a value.
        attempts: Executions of a copy before it counts as given up, the first included.
        within: Virtual seconds that an attempt may take, however its calls hang; None sets no limit, so that only calls
            without any timeout are reported.
        guard: Wall-clock seconds that an attempt may take to its next step.
        allow: Paths of databases and directories that may be restored, and hosts that may be reached, although they
            are not plainly test resources.
        now: Virtual time at the start, timezone-aware; None takes the real time.
        replays: How often a failing schedule is run again before it is reported; 0 takes the profile's.
        horizon: Virtual seconds: how late a redelivery, or a paused worker, may be. Leases and deadlines that run
            longer are not tried, and the verdict says so.
        visibility_timeout: Virtual seconds after which the queue delivers a message again that is still being worked
            on; 0 if it never does, or if that is unknown.
        skew: Virtual seconds by which the wall clock of a worker's machine may be wrong; 0 if all clocks are right.
        torn_writes: Whether a kill takes the machine along, as a power failure does: of what was written to files and
            not synced, only a part is left.
        strict: Whether advice (JC7xx) fails a test, too.
        most_effects: Effects of a job, or statements of a transaction, beyond which there is advice to split it.
        most_rounds: Objects that one line of a job may change, beyond which there is advice to split it.
        most_seconds: Virtual seconds of a clean run, beyond which there is advice to split it.
        transaction_seconds: Virtual seconds that a transaction may be open without advice.
        audit: Which share of the schedules that need not be run is run all the same, to see whether that is so; 0 to 1.
    """

    profile: str = "full"
    copies: int = 2
    preemptions: int = -1
    kills: int = -1
    granularity: str = "auto"
    isolation: str = "auto"
    delivery: str = "auto"
    follow: bool = False
    ignore: tuple[str, ...] = ()
    seed: int = 0
    budget: int | str = 0
    attempts: int = 4
    within: float | None = None
    strict: bool = False
    most_effects: int = 100
    most_rounds: int = 20
    most_seconds: float = 300.0
    transaction_seconds: float = 5.0
    guard: float = 30.0
    allow: tuple[str, ...] = ()
    now: datetime | None = None
    replays: int = 0
    audit: float = 0.05
    horizon: float = 3600.0
    visibility_timeout: float = 0.0
    skew: float = 0.0
    torn_writes: bool = False

    def __post_init__(self) -> None:
        require_one_of("profile", self.profile, _PROFILES)
        require_one_of("granularity", self.granularity, GRANULARITIES)
        require_one_of("isolation", self.isolation, ISOLATIONS)
        require_one_of("delivery", self.delivery, DELIVERIES)
        if self.granularity == "await" and self.isolation == "process":
            raise UsageError(
                'granularity="await" runs all copies in the event loop of one process, and isolation="process" runs '
                "each in a process of its own: choose one of them"
            )
        for name in ("follow", "torn_writes"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.follow and self.granularity == "await":
            raise UsageError(
                'granularity="await" runs all copies in one event loop, and follow=True needs workers that go on with '
                "another job when one is done: choose one of them"
            )
        if self.torn_writes and self.isolation == "process":
            raise UsageError(
                'torn_writes=True needs a machine that loses its power, which is simulated, and isolation="process" '
                "kills in earnest, by which no written data is lost: choose one of them"
            )
        require_whole("copies", self.copies, 1, 4)
        require_whole("preemptions", self.preemptions, -1, 20)
        require_whole("kills", self.kills, -1, 20)
        require_share("audit", self.audit)
        require_whole("attempts", self.attempts, 1, 1000)
        Budget.parse(self.budget, _BUDGETS[self.profile])
        require_whole("replays", self.replays, 0, 1000)
        require_whole("seed", self.seed, -(2**63), 2**63)
        self._check_limits()
        require_aware("now", self.now)
        for name in ("ignore", "allow"):
            object.__setattr__(self, name, strings(name, getattr(self, name)))
        for name, unset in _UNSET.items():
            if getattr(self, name) == unset:
                object.__setattr__(self, name, _DEFAULTS[name][self.profile])

    def _check_limits(self) -> None:
        for name in ("guard", "most_seconds", "transaction_seconds"):
            require_seconds(name, getattr(self, name))
        for name in ("most_effects", "most_rounds"):
            require_whole(name, getattr(self, name), 1, 10**9)
        if not isinstance(self.strict, bool):
            raise UsageError(f"strict must be True or False, got {self.strict!r}")
        require_seconds("horizon", self.horizon)
        for name in ("visibility_timeout", "skew"):
            require_seconds_or_zero(name, getattr(self, name))
        if self.within is not None:
            require_seconds("within", self.within)

    @property
    def limits(self) -> Budget:
        """The budget of each family, with the profile's number of schedules where none was chosen."""
        return Budget.parse(self.budget, _BUDGETS[self.profile])

    @property
    def within_nanoseconds(self) -> int | None:
        """`within` in virtual nanoseconds; None sets no limit."""
        return None if self.within is None else round(self.within * SECOND)

    def most_kills(self, *, lines: bool) -> int:
        """How many kills while copies overlap; where lines are steps, there are too many places for one."""
        if self.kills >= 0:
            return self.kills
        return int(self.profile == "full" and not lines)

    def override(self, options: Mapping[str, Any], where: str) -> Settings:
        """Return these settings with some replaced.

        Args:
            options: Field name to value.
            where: Where the options were written, for error texts: `@pytest.mark.jobchaos`.

        Raises:
            UsageError: For an unknown name or a bad value.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in options:
            if name not in known:
                raise UsageError(f"{where} has no option {name!r}; known are {', '.join(known)}")
        current: dict[str, Any] = {name: getattr(self, name) for name in known}
        if "profile" in options:  # let the new profile bring its own defaults, but keep what was chosen
            for name, unset in _UNSET.items():
                if current[name] == _DEFAULTS[name][self.profile]:
                    current[name] = unset
        try:
            return Settings(**{**current, **options})
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
