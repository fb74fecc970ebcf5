"""How long things take: one schedule, a whole check, pytest's start."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from unittest import mock

import freezegun

from benchmarks import reference
from jobchaos import check
from jobchaos.checking import Check
from jobchaos.core.events import Event, ScheduleRun
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings

Row = tuple[str, float, str, str]
ROUNDS = 15
_MEMORY = "/dev/shm"
"""Where the database lies, if there is such a folder: the job by hand waits for the disk, and drowns the rest."""
_clock = [time.perf_counter]  # in a list, where freezegun does not look


def milliseconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time of one call."""
    times = []
    for _ in range(rounds):
        started = _clock[0]()
        call()
        times.append((_clock[0]() - started) * 1000)
    return statistics.median(times)


def per_schedule(isolation: str = "thread", rounds: int = ROUNDS) -> tuple[float, int]:
    """Median time between two schedules of overlapping copies, with planning, restore and digest; and their number.

    Only those: a crash that leads to a known state is not run at all, and would make the median look better.
    """
    gaps: list[float] = []
    last: list[float] = []

    def listen(event: Event) -> None:
        now = _clock[0]()
        if isinstance(event, ScheduleRun):
            if last:
                gaps.append((now - last.pop()) * 1000)
            last.append(now)
        else:
            last.clear()

    settings = Settings(profile="quick", preemptions=2, isolation=isolation)
    for _ in range(rounds):
        reference.prepare(reference.database.parent)
        check(reference.job, faults=["concurrent"], settings=settings, listener=listen)
    return statistics.median(gaps), len(gaps)


def driven() -> float:
    """What it takes longer if Hypothesis draws the schedules: two to 29 deliveries of one message."""
    plan = [Schedule.parse(" ".join("A" * number)) for number in range(2, 30)]

    def spent() -> float:
        with mock.patch("jobchaos.campaign.duplicates", return_value=plan):
            return milliseconds(lambda: check(reference.job, faults=["duplicate"]), 1) / len(plan)

    def undriven() -> float:
        with mock.patch.object(Check, "_driver", return_value=None):
            return spent()

    return statistics.median(spent() - undriven() for _ in range(ROUNDS))


def _in_a_thread() -> None:
    thread = threading.Thread(target=reference.job)
    thread.start()
    thread.join()


def by_hand(work: Callable[[], None] = _in_a_thread) -> float:
    """What any tool has to do for a schedule: restore, run the job twice, each in a fresh thread, read the state."""
    connect = sqlite3.connect

    def fast(path: Path, **options: None) -> sqlite3.Connection:
        connection = connect(path, **options)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        return connection

    with closing(connect(":memory:")) as initial, closing(fast(reference.database)) as live:
        live.backup(initial)
        tables = [name for (name,) in live.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

        def schedule() -> None:
            initial.backup(live)
            for _ in range(2):
                work()
            for table in tables:
                live.execute(f"SELECT * FROM {table}").fetchall()

        with mock.patch("sqlite3.connect", fast):
            return milliseconds(schedule, 20 * ROUNDS)


def by_hand_in_processes() -> float:
    """The same with each run in a process of its own, which ends by SIGKILL."""

    def work() -> None:
        process = os.fork()
        if not process:
            reference.job()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(process, 0)

    gc.freeze()
    try:
        return by_hand(work)
    finally:
        gc.unfreeze()


def freeze() -> None:
    """One start and stop of freezegun with everything imported."""
    freezer = freezegun.freeze_time("2026-01-01")
    freezer.start()
    freezer.stop()


def run_twice() -> tuple[float, float, float]:
    """Medians of: `run_twice` beyond the job three times by hand and freezegun's start; each of these two.

    Measured in turns, since what else the machine does changes from second to second.
    """
    settings = Settings(profile="quick")

    def check_twice() -> None:
        check(reference.job, faults=["duplicate"], settings=settings)

    def thrice() -> None:
        for _ in range(3):
            reference.job()

    check_twice()
    turns = [[milliseconds(call, 1) for call in (check_twice, thrice, freeze)] for _ in range(4 * ROUNDS)]
    return (
        statistics.median(twice - hand - frozen for twice, hand, frozen in turns),
        statistics.median(hand for _, hand, _ in turns),
        statistics.median(frozen for _, _, frozen in turns),
    )


def start_up() -> float:
    """How much more processor time an empty pytest run takes with jobchaos installed and unused; paired runs.

    Not real time, whose noise is larger than the difference; and the two by turns in the one order and in the other.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_empty.py").write_text("def test_empty(): pass\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]

        def run(*options: str) -> None:
            subprocess.run([*command, *options], check=True, capture_output=True, cwd=folder, env=with_bytecode())

        def spent(*options: str) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run(*options)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

        run()
        run("-p", "no:jobchaos")
        differences = []
        for _ in range(ROUNDS):
            first, second = spent(), spent("-p", "no:jobchaos")
            third, fourth = spent("-p", "no:jobchaos"), spent()
            differences.append((first + fourth - second - third) / 2)
        return statistics.median(differences)


def with_bytecode() -> dict[str, str]:
    """The environment of a command as users run it: their Python keeps bytecode, of pytest's rewritten plugins, too."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def whole(profile: str) -> float:
    """Median time of a check of the reference job, everything included, in milliseconds; each on a new database."""
    times = []
    for _ in range(3):
        reference.prepare(reference.database.parent)
        times.append(milliseconds(lambda: check(reference.job, settings=Settings(profile=profile)), 1))
    return statistics.median(times)


def three_days() -> float:
    """Median time of a whole check of a job that sleeps for a day three times, in milliseconds; freezegun included."""

    def job() -> None:
        with closing(sqlite3.connect(reference.database, isolation_level=None)) as db:
            for day in range(3):
                db.execute("INSERT OR REPLACE INTO days VALUES (?)", (day,))
                time.sleep(24 * 3600)

    with closing(sqlite3.connect(reference.database)) as db:
        db.execute("CREATE TABLE days (day INTEGER PRIMARY KEY)")
    return milliseconds(lambda: check(job, settings=Settings(profile="quick")))


def rows() -> list[Row]:
    """Figure, milliseconds, goal, note."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        reference.prepare(Path(folder))
        schedule, count = per_schedule()
        floor = by_hand()
        forked, forks = per_schedule("process", rounds=1)
        forked_floor = by_hand_in_processes()
        share = driven()
        twice, thrice, frozen = run_twice()
        quick, full = whole("quick"), whole("full")
        slept = three_days()
    return [
        (
            "one schedule, 10 effects, threads, SQLite",
            schedule,
            "<= 1.0",
            f"median of {count}, two copies that overlap",
        ),
        ("  the same by hand, as far as it can be", floor, "", f"the row above is {schedule / floor:.2f} times that"),
        ("  in forked workers", forked, "<= 8", f"median of {forks}; two forks, two SIGKILLs"),
        ("  that by hand", forked_floor, "", f"the row above is {forked / forked_floor:.2f} times that"),
        ("  Hypothesis's own share on top of it", share, "", "a plan that it draws"),
        ("the reference job, quick profile", quick, "<= 500", "all families"),
        ("  full profile", full, "<= 5000", "all families, two preemptions with one kill"),
        ("a job that sleeps for three days, quick profile", slept, "<= 200", "all families"),
        ("run_twice above the job three times by hand", twice, "<= 5", "without freezegun's start"),
        ("  freezegun's start and stop", frozen, "20-100", "once a check"),
        ("  the job three times by hand", thrice, "", ""),
        ("pytest's start with jobchaos unused", start_up(), "<= 10", "above pytest without it"),
    ]


def in_memory() -> str | None:
    """A folder that needs no disk, if there is one."""
    return _MEMORY if os.path.isdir(_MEMORY) else None
