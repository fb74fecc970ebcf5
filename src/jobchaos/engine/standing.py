"""Standing: how far an attempt has come, and what the runner lets it do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobchaos.core.effect import Effect
from jobchaos.core.hang import HangPoint
from jobchaos.core.schedule import Fault
from jobchaos.engine.outage import Outage
from jobchaos.engine.outcome import Outcome


@dataclass(slots=True)
class Standing:
    """Where one attempt stands. It travels with the baton.

    Attributes:
        credit: Steps it may still take before it parks; None for no limit.
        fault: What befalls it when the credit is used up.
        wait: Which wait since then the fault strikes, from 1, if it strikes a wait.
        survey: Whether to note all waits that could be struck.
        outage: Which call fails whenever it is tried, if any does.
        waiting_at: The effect it is parked before.
        blocked_on: The locked resource it waits for; empty if it does not.
        deadline: Virtual time at which a blocked worker gives up.
        served: True if what it waits for comes by itself, and must be taken at once.
        gives_way: True if it lets others take what it has freed for them, and then goes on.
        steps: Effects let through.
        writes: Effects let through that change something; a measure of progress.
        answered: Waits for others that have ended; they may have been worth it.
        read_attempt: True once the job has asked which attempt it is.
        dead: True once it was killed.
        cause_of_death: Why it was killed although the schedule did not ask for it.
        terminated: True once it was told to stop, and began to clean up.
        hung: The wait that was struck.
        points: All waits, if they were to be noted.
        outcome: How it ended; None while it goes on.
    """

    credit: int | None = 0
    fault: Fault | None = None
    wait: int = 1
    survey: bool = False
    outage: Outage | None = None
    waiting_at: Effect | None = None
    blocked_on: str = ""
    deadline: int | None = None
    served: bool = False
    gives_way: bool = False
    steps: int = 0
    writes: int = 0
    answered: int = 0
    read_attempt: bool = False
    dead: bool = False
    cause_of_death: str = ""
    terminated: bool = False
    hung: HangPoint | None = None
    points: list[HangPoint] = field(default_factory=list)
    outcome: Outcome | None = None
