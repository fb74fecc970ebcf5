"""While a check runs, the garbage collector comes less often; then as before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jobchaos.checking import check
from jobchaos.core.events import Event
from jobchaos.core.job import Job
from jobchaos.core.settings import Settings

QUICK = Settings(profile="quick", isolation="thread")


@pytest.fixture(params=[(700, 10, 10), (0, 10, 10), (50_000, 5, 5)])
def thresholds(request: pytest.FixtureRequest) -> Iterator[tuple[int, int, int]]:
    """What somebody has set."""
    before = gc.get_threshold()
    gc.set_threshold(*request.param)
    yield request.param
    gc.set_threshold(*before)


met: list[tuple[int, int, int]] = []


def note() -> None:
    """A function of its own: what a job itself refers to is restored with the rest."""
    met.append(gc.get_threshold())


def test_it_comes_less_often_unless_it_is_off_or_comes_seldom_already(thresholds: tuple[int, int, int]) -> None:
    met.clear()

    def job(done: list[int]) -> None:
        note()
        done.append(1)

    check(Job(job, []), faults=["duplicate"], settings=QUICK)
    first = thresholds[0]
    assert {seen[0] for seen in met} == {20_000 if first == 700 else first}
    assert {seen[1:] for seen in met} == {thresholds[1:]}
    assert gc.get_threshold() == thresholds


def test_it_does_as_before_after_an_error(thresholds: tuple[int, int, int]) -> None:
    def listener(_event: Event) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        check(note, settings=QUICK, listener=listener)
    assert gc.get_threshold() == thresholds
