"""Real jobs: the exploration finds every state that all schedules together leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proof import place
from tests.proof.jobs import JOBS
from tests.proof.proving import proving

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
