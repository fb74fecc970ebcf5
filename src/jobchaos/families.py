"""Which families of schedules one check tries, and which schedules suit its jobs."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.job import Job
from jobchaos.core.schedule import Schedule
from jobchaos.errors import UsageError
from jobchaos.explore.plan import EXPIRY, FAMILIES, family_of

_MOST_JOBS = 4
_KNOWN = (*FAMILIES, EXPIRY)


def chosen_families(faults: Sequence[str] | None, jobs: Sequence[Job]) -> tuple[str, ...]:
    """The families of schedules to run.

    Raises:
        UsageError: If there are none, or unknown ones; if there is no job, or too many of them; or if the families are
            of one job only.
    """
    if not 1 <= len(jobs) <= _MOST_JOBS:
        raise UsageError(
            f"check() takes one job, or up to {_MOST_JOBS} different ones that overlap, got {len(jobs)}; "
            "write check(Job(send_invoice, 42))"
        )
    several = len(jobs) > 1
    if several and faults is not None:
        faults = [family for family in faults if family != EXPIRY]  # part of a fixture's; of one job only
    families = tuple(faults if faults is not None else ("concurrent",) if several else _KNOWN)
    unknown = [family for family in families if family not in _KNOWN]
    if unknown or not families:
        raise UsageError(f"faults must be a list of some of {', '.join(_KNOWN)}; got {faults!r}")
    if several and families != ("concurrent",):
        names = " with ".join(job.label for job in jobs)
        raise UsageError(
            f"{names}: different jobs are checked under concurrent schedules only, got faults {', '.join(families)}. "
            "Use run_concurrently(Job(a, 1), Job(b, 2)), or check(Job(a, 1), Job(b, 2)) without faults=; check each "
            "job by itself under the other faults."
        )
    return families


def refuse_unsuitable(schedule: Schedule, letters: tuple[str, ...]) -> None:
    """Refuse a schedule that is none of these different jobs.

    Raises:
        UsageError: If it does not name each of them, or if a call fails in it.
    """
    if schedule.copies != letters or family_of(schedule.timeless) != "concurrent":
        raise UsageError(
            f"'{schedule}' is no schedule of {len(letters)} different jobs: it must run each of {', '.join(letters)}, "
            f"and no call may fail, as in '{letters[0]}1 {' '.join(letters[1:])} {letters[0]}'"
        )
