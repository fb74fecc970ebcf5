"""How many schedules are run, and whether brute force finds any other state."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import reference
from benchmarks.timing import in_memory
from tests.explore.brute_force import BruteForce
from tests.explore.reduced import explore
from tests.explore.test_interleavings import REFERENCE
from tests.proof import place
from tests.proof.jobs import JOBS
from tests.proof.proving import proving

Row = tuple[str, str, int, int, str, str]
_BOUNDS = (("AB", 1, 0, ""), ("AB", 2, 0, "<= 50"), ("ABC", 1, 0, ""), ("ABC", 2, 0, ""), ("AB", 2, 1, "<= 1900"))


def rows() -> list[Row]:
    """Job, bound, runs, runs of brute force, goal, whether the states are the same."""
    return [*_modelled(), _fixpoint(), *_small()]


def _modelled() -> list[Row]:
    rows: list[Row] = []
    for copies, preemptions, kills, goal in _BOUNDS:
        programs = dict.fromkeys(copies, REFERENCE)
        reduced = explore(programs, preemptions, kills, identical=True)
        everything = [machine.state for machine in BruteForce(programs, True).executions(preemptions, kills)]
        same = _same(reduced.states == set(everything))
        bound = f"C={len(copies)} P={preemptions} K={kills}"
        rows.append(("reference job, modelled", bound, len(reduced.run), len(everything), goal, same))
    return rows


def _fixpoint() -> Row:
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        reference.prepare(Path(folder))
        with proving(reference.job) as prover:
            graph, sequences = prover.fixpoint(50), prover.crash_sequences(2)
    same = _same(graph.states >= sequences.states)
    return "reference job, SQLite", "any crashes", graph.runs, sequences.runs, "<= 65", f"{same} (up to 2 crashes)"


def _small() -> list[Row]:
    rows: list[Row] = []
    for job in JOBS:
        with tempfile.TemporaryDirectory() as folder, place.prepared(Path(folder)), proving(job) as prover:
            for preemptions, kills in ((2, 0), (1, 1)):
                reduced, everything = prover.reduced(preemptions, kills), prover.everything(preemptions, kills)
                bound = f"C=2 P={preemptions} K={kills}"
                same = _same(reduced.states == everything.states)
                rows.append((job.__name__, bound, reduced.runs, everything.runs, "", same))
    return rows


def _same(equal: bool) -> str:
    return "the same states" if equal else "OTHER STATES"
