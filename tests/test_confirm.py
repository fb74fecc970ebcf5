"""Simulated crashes are confirmed by real ones; where both disagree, or none is possible, the verdict says so."""

from __future__ import annotations

import contextlib
import mmap
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobchaos import FunctionStore, Job, MemoryStore, Settings, UsageError, Verdict, check
from jobchaos.confirm import Confirmer
from jobchaos.core.finding import Finding
from jobchaos.core.schedule import Schedule
from jobchaos.report.text import render

Mapped = tuple[mmap.mmap, FunctionStore]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Process ids of all children that are forked."""
    children: list[int] = []
    genuine = os.fork

    def fork() -> int:
        children.append(genuine())
        return children[-1]

    monkeypatch.setattr(os, "fork", fork)
    return children


def adds(path: Path, *points: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for number in points:
            db.execute("UPDATE users SET points = points + ?", (number,))


def sets(path: Path, *points: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for number in points:
            db.execute("UPDATE users SET points = ?", (number,))


def crashed(job: Job, isolation: str = "auto", **options: object) -> Verdict:
    settings = Settings(profile="quick").override({"isolation": isolation}, "here")
    return check(job, faults=["crash"], settings=settings, **options)  # type: ignore[arg-type]


def only(verdict: Verdict) -> Finding:
    (finding,) = verdict.findings
    return finding


@pytest.mark.parametrize("isolation", ["auto", "process"])
def test_a_crash_that_is_found_is_confirmed(path: Path, isolation: str) -> None:
    verdict = crashed(Job(adds, path, 5), isolation)
    assert only(verdict).code == "JC303"
    assert only(verdict).confirmed == "with a real SIGKILL"
    assert "  confirmed with a real SIGKILL; replays 1 of 1\n" in render(verdict)


def test_threads_alone_confirm_nothing(path: Path, forks: list[int]) -> None:
    verdict = crashed(Job(adds, path, 5), "thread")
    assert only(verdict).confirmed == ""
    assert "  replays 1 of 1\n" in render(verdict)
    assert forks == []
    assert verdict.notes == ()


def test_a_termination_is_confirmed_in_a_process(path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            if db.execute("SELECT count(*) FROM users").fetchone() == (1,):
                try:
                    db.execute("UPDATE users SET points = 5")
                finally:
                    db.execute("INSERT INTO users VALUES (2, 5)")

    finding = only(crashed(Job(job)))
    assert (finding.code, str(finding.schedule)) == ("JC303", "A1!terminate A")
    assert finding.confirmed == "in a process of its own"
    assert finding.message == (
        "job() leaves users.points = 0, expected 5, when its worker is terminated after SELECT FROM users and "
        "before UPDATE users, and cleans up with INSERT INTO users"
    )


def test_a_few_crashes_that_pass_are_tried_as_well(path: Path, forks: list[int]) -> None:
    verdict = crashed(Job(sets, path, *range(6)))
    assert verdict.status == "holds"
    assert len(forks) >= 1 + 2 * 3  # a clean run, and two or more attempts of each of three schedules


def test_the_sample_is_the_seeds(path: Path) -> None:
    def tried(seed: int) -> list[str]:
        log: list[str] = []
        genuine = Confirmer._doubts

        def doubts(confirmer: Confirmer, schedule: Schedule) -> list[Finding]:
            log.append(str(schedule))
            return genuine(confirmer, schedule)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Confirmer, "_doubts", doubts)
            check(Job(sets, path, *range(6)), faults=["crash"], settings=Settings(profile="quick", seed=seed))
        return log

    tried(1)  # which leaves the world as all later checks find it
    assert tried(1) == tried(1)
    assert tried(1) != tried(2)


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[Mapped]:
    """A byte that is shared by all processes, and that no probe sees changing."""
    file = tmp_path / "byte"
    file.write_bytes(b"\0")
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 1) as memory:

        def reset() -> None:
            memory[0] = 0

        yield memory, FunctionStore(snapshot=lambda: memory[0], reset=reset, name="byte")


def test_a_finding_that_is_only_simulated_becomes_a_doubt(path: Path, mapped: Mapped) -> None:
    memory, store = mapped

    def job() -> None:
        try:
            sets(path, 5)
        finally:
            memory[0] += 1  # clean-up that runs in a dying thread, and not in a dying process

    settings = Settings(profile="quick", granularity="effect")
    verdict = check(job, schedule="A0!kill A", stores=[store], settings=settings)
    assert verdict.status == "inconclusive"
    finding = only(verdict)
    assert (finding.code, str(finding.schedule)) == ("JC910", "A0!kill A")
    assert "comes to no finding with a real SIGKILL, but to JC303 when that is simulated" in finding.message
    assert "a simulated kill comes to JC303; against one clean run it leaves" in finding.detail
    assert "+ 2  1, expected 0" in finding.detail
    assert verdict.families[0].status == "inconclusive"


def test_a_crash_that_passes_only_when_simulated_is_a_doubt(path: Path, mapped: Mapped) -> None:
    memory, store = mapped

    def job() -> None:
        assert not memory[0], "somebody else is at work"
        memory[0] = 1
        try:
            sets(path, 5)
        finally:
            memory[0] = 0

    settings = Settings(profile="quick", granularity="effect")
    verdict = check(job, schedule="A0!kill A", stores=[store], settings=settings)
    assert verdict.status == "inconclusive"
    assert only(verdict).code == "JC910"
    assert "comes to JC304 with a real SIGKILL, but to no finding when that is simulated" in only(verdict).message
    assert only(verdict).diff


def test_state_in_memory_cannot_be_confirmed_and_that_is_noted() -> None:
    seen: list[int] = []
    verdict = crashed(Job(lambda: seen.append(1)), stores=[MemoryStore(seen, name="seen")])
    assert only(verdict).confirmed == ""
    note = verdict.notes[-1]
    assert note.startswith("crashes were simulated, and not confirmed with a real SIGKILL: some state is in the memory")
    assert "(seen)" in note


def test_state_that_only_looks_shared_is_noticed(path: Path) -> None:
    sent: list[int] = []

    def job() -> None:
        sent.append(5)
        sets(path, 5)

    store = FunctionStore(snapshot=lambda: len(sent), reset=sent.clear, name="sent")
    verdict = crashed(Job(job), stores=[store])
    assert not verdict.findings, "it is lost with its process"
    assert any("one clean run in a process of its own does not leave" in note for note in verdict.notes)


def test_without_fork_crashes_are_simulated_and_that_is_noted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    verdict = crashed(Job(adds, path, 5))
    assert only(verdict).confirmed == ""
    assert ["os.fork, which this system does not have" in note for note in verdict.notes] == [True]
    with pytest.raises(UsageError, match="which this system does not have"):
        crashed(Job(adds, path, 5), "process")


def test_processes_refuse_state_in_memory() -> None:
    seen: list[int] = []
    with pytest.raises(UsageError, match=r"in the memory of this process \(seen\).*isolation=\"thread\" simulates"):
        crashed(Job(lambda: seen.append(1)), "process", stores=[MemoryStore(seen, name="seen")])


def test_a_job_that_ends_its_own_process_is_inconclusive(path: Path) -> None:
    def job() -> None:
        sets(path, 5)
        os._exit(7)

    verdict = check(job, settings=Settings(profile="quick", isolation="process"))
    assert verdict.status == "inconclusive"
    assert [finding.code for finding in verdict.findings] == ["JC903", "JC911"]
    assert "exit status 7" in verdict.findings[1].message


def test_a_process_that_hangs_is_told_as_such(path: Path) -> None:
    home = os.getpid()

    def job() -> None:
        while os.getpid() != home:  # as where another thread's lock is inherited
            pass
        sets(path, 5)

    verdict = check(job, faults=["crash"], settings=Settings(profile="quick", granularity="effect", guard=1))
    assert verdict.status == "holds"
    assert any("did not reach its next step in time, at" in note and "in job()" in note for note in verdict.notes)


@pytest.mark.thorough
def test_a_process_that_hangs_once_is_tried_again(path: Path, mapped: Mapped) -> None:
    home, (memory, _) = os.getpid(), mapped

    def job() -> None:
        while os.getpid() != home and not memory[0]:  # by chance a thread of the test held a lock at the fork
            memory[0] = 1
            while True:
                pass
        sets(path, 5)

    verdict = check(job, faults=["crash"], settings=Settings(profile="quick", granularity="effect", guard=1))
    assert (verdict.status, verdict.notes, memory[0]) == ("holds", (), 1)
