"""What zero-change mode costs: the shop's suite as it is, with the first pass alone, and with both."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import with_bytecode

SHOP = Path(__file__).parent.parent / "examples" / "shop"
ROUNDS = 5
MODES = {
    "as it is": ((), ""),
    "first pass: only watched": (("--jobchaos-only", "none.of.them"), "1.2"),
    "both passes": (("--jobchaos",), "10"),
}
"""Mode to options, and how many times the plain suite it may take."""


def rows() -> Iterator[tuple[str, float, float, str]]:
    """Mode, seconds of processor time, how many times the plain suite's, and the goal for that."""
    taken: dict[str, list[float]] = {mode: [] for mode in MODES}
    for _ in range(ROUNDS):
        for mode, (options, _goal) in MODES.items():
            taken[mode].append(_seconds(options))
    plain = statistics.median(taken["as it is"])
    for mode, (_, goal) in MODES.items():
        seconds = statistics.median(taken[mode])
        yield mode, seconds, seconds / plain, goal


def _seconds(options: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    off = ("-p", "no:cacheprovider", "-p", "no:randomly")
    command = [sys.executable, "-m", "pytest", "-q", *off, *options]
    subprocess.run(command, cwd=SHOP, capture_output=True, check=False, env=with_bytecode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
