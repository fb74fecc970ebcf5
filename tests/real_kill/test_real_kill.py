"""A kill by jobchaos leaves what SIGKILL from outside leaves: simulated at every line, and real at every third."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import jobchaos
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Happening
from jobchaos.engine.runner import Runner
from tests.real_kill import jobs

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]

HERE = Path(__file__).parent
FILE = str(HERE / "jobs.py")
NEVER = 10_000

Left = dict[str, object]
"""What is in a folder: rows of tables, text of files."""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="jobchaos-real-kill-") as name:
        path = Path(name).resolve()
        with contextlib.closing(sqlite3.connect(path / "app.db")) as db:
            db.executescript(
                "CREATE TABLE users (id INTEGER PRIMARY KEY, points INTEGER);"
                "CREATE TABLE payments (id INTEGER PRIMARY KEY AUTOINCREMENT, amount INTEGER);"
                "INSERT INTO users VALUES (1, 0);"
            )
        (path / "inbox.txt").write_text("order 7")
        yield path


def left(path: Path) -> Left:
    """Read everything that is in a folder, with a connection of its own: a hot journal is rolled back."""
    found: Left = {}
    with contextlib.closing(sqlite3.connect(path / "app.db")) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if not table.startswith("sqlite_"):
                found[table] = sorted(db.execute(f"SELECT * FROM {table}").fetchall())
    for file in sorted(path.rglob("*")):
        if not file.name.startswith("app.db"):
            found[str(file.relative_to(path))] = file.read_bytes() if file.is_file() else None
    return found


def run_child(job: str, path: Path, deadly: int) -> list[int]:
    command = [sys.executable, "-I", "-S", str(HERE / "child.py"), FILE, job, str(path), str(deadly)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode in (0, -signal.SIGKILL), child.stderr
    assert (child.returncode == 0) == bool(child.stdout)
    return [int(line) for line in child.stdout.split()]


def lines_of(job: str) -> list[int]:
    """The numbers of all lines that a clean run passes."""
    with folder() as path:
        return run_child(job, path, NEVER)


def after_real_kill(job: str, deadly: int) -> Left:
    """What is left by the death before the n-th line and a redelivery."""
    with folder() as path:
        assert run_child(job, path, deadly) == []
        run_child(job, path, NEVER)
        return left(path)


def run_here(job: Callable[[Path], None], token: str, isolation: str) -> tuple[RunResult, Left]:
    """Run a schedule with jobchaos; read the folder with eyes of our own."""
    runs: list[tuple[RunResult, Left]] = []
    genuine = Runner.run

    with folder() as path, pytest.MonkeyPatch.context() as patch:

        def run(runner: Runner, schedule: Schedule, *, perturbed: int = 0) -> RunResult:
            result = genuine(runner, schedule, perturbed=perturbed)
            runs.append((result, left(path)))
            return result

        patch.setattr(Runner, "run", run)
        settings = jobchaos.Settings(profile="quick", granularity="line", isolation=isolation)
        jobchaos.check(jobchaos.Job(job, path), schedule=token, settings=settings)
    return next(pair for pair in runs if str(pair[0].schedule) == token)


@pytest.mark.parametrize(("isolation", "stride"), [("thread", 1), ("process", 3)])
@pytest.mark.parametrize("job", jobs.JOBS, ids=lambda job: job.__name__)
def test_a_kill_leaves_what_sigkill_leaves(job: Callable[[Path], None], isolation: str, stride: int) -> None:
    lines = lines_of(job.__name__)
    effects = run_here(job, "A", isolation)[0].trace.effects()
    steps = [number for number, effect in enumerate(effects) if effect.kind == "line"]
    assert [effect.site and effect.site.line for effect in effects if effect.kind == "line"] == lines
    assert len(lines) > 5
    for deadly, step in list(enumerate(steps))[::stride]:
        run, state = run_here(job, f"A{step}!kill A", isolation)
        (death,) = (event for event in run.trace.events if event.happening is Happening.KILLED)
        assert death.effect is not None
        assert death.effect.site == effects[step].site
        assert run.copies["A"].attempts == 2
        assert state == after_real_kill(job.__name__, deadly), f"killed before line {lines[deadly]}"
