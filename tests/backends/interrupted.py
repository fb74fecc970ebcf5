"""Checks in the middle of which something happens to the server."""

from __future__ import annotations

from collections.abc import Callable

from jobchaos.checking import check
from jobchaos.core.events import Event, PlanReady
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict

QUICK = Settings(profile="quick", isolation="thread")


def interrupted(job: Callable[[], None], happening: Callable[[], None]) -> Verdict:
    """Check a job; when its clean run is known, and the first schedule is to come, let something happen."""
    told: list[Event] = []

    def listen(event: Event) -> None:
        if isinstance(event, PlanReady) and not told:
            told.append(event)
            happening()

    verdict = check(job, faults=["duplicate"], settings=QUICK, listener=listen)
    assert told
    return verdict
