"""All figures as tables: `python -m benchmarks`, or some of `counts`, `timing`, `rivals`, `backends` and `suites`.

Absolute times depend on the machine; the goals are those of an idle one with 2 cores. Nothing here is a test.
"""

from __future__ import annotations

import sys

from benchmarks import backends, counter, counts, rivals, suites, timing


def print_counts() -> None:
    """Schedules run, and brute force."""
    print(f"{'job':<26}{'bound':<14}{'runs':>6}{'all':>6}  {'goal':<9}brute force finds")
    for job, bound, runs, everything, goal, same in counts.rows():
        print(f"{job:<26}{bound:<14}{runs:>6}{everything:>6}  {goal:<9}{same}")


def print_timing() -> None:
    """Times."""
    print(f"{'figure':<46}{'ms':>8}  {'goal':<8}note")
    for name, value, goal, note in timing.rows():
        print(f"{name:<46}{value:>8.2f}  {goal:<8}{note}")


def print_rivals() -> None:
    """Beside frontrun."""
    if not rivals.available():
        print("frontrun is not installed, so there is nothing to compare with: pip install --group benchmarks")
        return
    print(f"{'tool':<32}{'schedules/s':>12}{'orders seen':>13}  ms to the first failure")
    for tool, rate, seen, first in rivals.rows():
        print(f"{tool:<32}{rate:>12.0f}{f'{seen} of {counter.ORDERS}':>13}  {first:.0f}")


def print_backends() -> None:
    """Times on each backend, in databases that grow."""
    print(f"{'backend':<12}{'database':<30}{'ms/schedule':>12}{'by hand':>9}{'times':>7}{'restore+digest':>16}  goal")
    for row in backends.rows():
        times = row.schedule / row.by_hand
        print(
            f"{row.backend:<12}{row.database:<30}{row.schedule:>12.2f}{row.by_hand:>9.2f}{times:>7.2f}"
            f"{row.apart:>16.2f}  {row.goal}"
        )


def print_suites() -> None:
    """What zero-change mode costs."""
    print(f"{'the suite of examples/shop':<28}{'s':>8}{'times':>8}  at most")
    for mode, seconds, times, goal in suites.rows():
        print(f"{mode:<28}{seconds:>8.2f}{times:>8.2f}  {goal}")


_TABLES = {
    "counts": print_counts,
    "timing": print_timing,
    "rivals": print_rivals,
    "backends": print_backends,
    "suites": print_suites,
}

if __name__ == "__main__":
    for table in sys.argv[1:] or _TABLES:
        _TABLES[table]()
        print()
