"""Forks 1,000 workers in a small process, where that is fast, and says what is left of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobchaos.core.schedule import Schedule
from tests.engine.forked import ForkLab


def main(folder: Path) -> None:
    """Print the number of completed runs, of further descriptors, and whether there is any child."""
    before = len(os.listdir("/proc/self/fd"))
    completed = 0
    with ForkLab(folder / "lines.txt").runner(lambda: None) as runner:
        for _ in range(1000):
            completed += runner.run(Schedule.parse("A")).completed
    try:
        os.waitpid(-1, os.WNOHANG)
        children = "children"
    except ChildProcessError:
        children = "no child"
    print(completed, len(os.listdir("/proc/self/fd")) - before, children)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
