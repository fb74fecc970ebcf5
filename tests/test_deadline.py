"""A deadline is over when its clock says so, and not before."""

from __future__ import annotations

from jobchaos.clock.freeze import wall_seconds
from jobchaos.deadline import Deadline


def test_a_deadline_is_over_from_its_moment_on() -> None:
    now = [100.0]
    deadline = Deadline(30.0, lambda: now[0])
    now[0] = 129.9
    assert not deadline.is_over
    now[0] = 130.0
    assert deadline.is_over


def test_without_seconds_it_never_comes() -> None:
    assert not Deadline(None, lambda: float("inf")).is_over


def test_it_runs_on_real_time() -> None:
    assert Deadline(1e-9, wall_seconds).is_over
    assert not Deadline(3600, wall_seconds).is_over
