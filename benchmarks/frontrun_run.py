"""Run by frontrun's command, in a process of its own: prints what frontrun does to the counter, as JSON."""

from __future__ import annotations

import functools
import json
import sys
import time

import frontrun

from benchmarks import counter


def main(path: str, execution: str) -> None:
    """Visit all orders, then look for the first failure; `execution` is `thread` or `process`."""

    def setup() -> str:
        counter.prepare(path)
        return path

    seen: list[int] = []

    def remember(state: str) -> bool:
        seen.append(counter.read(state))
        return True

    signing = [functools.partial(counter.sign, worker=worker) for worker in (0, 1)]
    started = time.perf_counter()
    frontrun.explore(setup, signing, remember, execution=execution, stop_on_first=False, preemption_bound=None)
    visited = time.perf_counter()
    alone = {"reproduce_on_failure": 0} if execution == "thread" else {}  # its replays are no part of finding it
    lost = frontrun.explore(setup, counter.lose, _nothing_lost, count=2, execution=execution, **alone)
    found = time.perf_counter()
    figures = {"rate": len(seen) / (visited - started), "orders": len(set(seen)), "first": (found - visited) * 1000}
    print(json.dumps({**figures, "fails": not lost.property_holds}))


def _nothing_lost(path: str) -> bool:
    return counter.read(path) == 3


if __name__ == "__main__":
    main(*sys.argv[1:])
