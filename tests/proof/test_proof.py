"""Real jobs: the exploration finds every state that all schedules together leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import reference
from tests.proof import place
from tests.proof.jobs import JOBS
from tests.proof.proving import proving
from tests.proof.random_jobs import random_job

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def prepared(tmp_path: Path) -> Iterator[None]:
    with place.prepared(tmp_path):
        yield


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_overlaps(job: Callable[[], None]) -> None:
    with proving(job) as prover:
        assert prover.steps <= 5
        for preemptions, kills in ((2, 0), (1, 1)):
            reduced, everything = prover.reduced(preemptions, kills), prover.everything(preemptions, kills)
            assert reduced.states == everything.states
            assert reduced.runs <= everything.runs


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_crashes(job: Callable[[], None]) -> None:
    with proving(job) as prover:
        assert prover.fixpoint(3).states == prover.crash_sequences(3).states


def test_the_reference_job_closes_in_few_runs(tmp_path: Path) -> None:
    """Ten effects: at most 65 attempts for any number of crashes."""
    reference.prepare(tmp_path)
    with proving(reference.job) as prover:
        assert prover.steps == 10
        graph = prover.fixpoint(50)
        assert graph.runs <= 65
        assert graph.states >= prover.crash_sequences(2).states


@pytest.mark.parametrize("seed", range(24))
def test_random_jobs(seed: int) -> None:
    """Some raise when they find their work done, and are redelivered.

    Their later attempts may have more steps than a clean one, of which "everything" knows nothing, and two ways may
    lead to a state. So nothing may be missing, and more may be found.
    """
    told, job = random_job(seed)
    with proving(job) as prover:
        for preemptions, kills in ((2, 0), (1, 1)):
            reduced, everything = prover.reduced(preemptions, kills), prover.everything(preemptions, kills)
            assert reduced.states >= everything.states, told
        assert prover.fixpoint(4, after_errors=True).states >= prover.crash_sequences(3).states, told
