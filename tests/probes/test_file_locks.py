"""Locks on files: waited for in the schedule, free when the holder closes the file or dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.file_locks import FileLockProbe
from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, effects

if sys.platform == "win32":
    pytest.skip("there is no fcntl", allow_module_level=True)

import fcntl

Run = Callable[..., RunResult]
Take = Callable[[int, int], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "job.lock").touch()
    return tmp_path / "job.lock"


@pytest.fixture
def run(watch: Watch, path: Path) -> Run:
    """`run(job, token)`: each `time.sleep` of the job is a step."""

    def go(job: Callable[[], object], token: str) -> RunResult:
        result = watch(job, token, SleepProbe(watch.bindings), FileLockProbe())
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more
        return result

    return go


def order(result: RunResult) -> str:
    """Letters of the copies in the order of their steps."""
    return "".join(event.copy for event in result.trace.events if event.happening is Happening.EFFECT)


KINDS = pytest.mark.parametrize("take", [fcntl.flock, fcntl.lockf])


@KINDS
def test_copies_do_not_come_between(run: Run, path: Path, take: Take) -> None:
    def job() -> None:
        with path.open("r+") as file:
            take(file.fileno(), fcntl.LOCK_EX)
            time.sleep(1)
            time.sleep(1)

    result = run(job, "A1 B A")
    assert order(result) == "AABB"
    assert result.completed
    blocked = next(event for event in result.trace.events if event.happening is Happening.BLOCKED)
    assert (blocked.copy, blocked.detail) == ("B", f"lock:{path}")


@KINDS
def test_shared_locks_are_shared(run: Run, path: Path, take: Take) -> None:
    def job() -> None:
        with path.open("r+") as file:
            take(file.fileno(), fcntl.LOCK_SH)
            time.sleep(1)
            time.sleep(1)

    assert order(run(job, "A1 B A")) == "ABBA"


@KINDS
def test_a_lock_that_is_given_back_is_free(run: Run, path: Path, take: Take) -> None:
    def job() -> None:
        with path.open("r+") as file:
            take(file.fileno(), fcntl.LOCK_EX)
            time.sleep(1)
            take(file.fileno(), fcntl.LOCK_UN)
            time.sleep(1)

    assert order(run(job, "A1 B A")) == "ABBA"


@KINDS
def test_not_to_wait_is_not_to_wait(run: Run, path: Path, take: Take) -> None:
    def job() -> None:
        with path.open("r+") as file:
            try:
                take(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            time.sleep(1)

    result = run(job, "A0 B A")
    assert order(result) == "A"
    assert result.completed


@KINDS
def test_the_lock_of_the_dead_is_free(watch: Watch, path: Path, take: Take) -> None:
    descriptors: list[int] = []

    def job() -> None:
        descriptors.append(os.open(path, os.O_RDWR))  # a number, which nobody closes
        take(descriptors[-1], fcntl.LOCK_EX)
        time.sleep(1)

    result = watch(job, "A0!kill A", SleepProbe(watch.bindings), FileLockProbe())
    for descriptor in descriptors:
        os.close(descriptor)
    assert result.completed
    assert [event.happening for event in result.trace.events].count(Happening.BLOCKED) == 0


def test_a_file_that_is_closed_has_no_lock(run: Run, path: Path) -> None:
    def job() -> None:
        file = path.open("r+")
        fcntl.lockf(file, fcntl.LOCK_EX)
        time.sleep(1)
        file.close()
        time.sleep(1)

    assert order(run(job, "A1 B A")) == "ABBA"


def test_parts_of_a_file_are_locked_apart(run: Run, path: Path) -> None:
    parts = iter([(0, 0), (0, 10), (10, 5), (14, 1)])  # start and length; no length is to the end
    held: list[str] = []

    def job() -> None:
        start, length = next(parts)
        with path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
            except BlockingIOError:
                held.append(f"{start}+{length}")
                return
            time.sleep(1)

    run(job, "A0 B A")  # all of it, then its beginning
    assert held == ["0+10"]
    run(job, "A0 B A")  # two parts that overlap
    assert held == ["0+10", "14+1"]


def test_files_are_locked_apart(run: Run, path: Path) -> None:
    names = iter(["one", "other"])

    def job() -> None:
        with (path.parent / next(names)).open("w") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            time.sleep(1)
            time.sleep(1)

    assert order(run(job, "A1 B A")) == "ABBA"


@KINDS
def test_a_lock_that_is_kept_is_a_wait_for_ever(watch: Watch, path: Path, take: Take) -> None:
    kept: list[object] = []

    def job() -> None:
        file = path.open("r+")
        kept.append(file)
        take(file.fileno(), fcntl.LOCK_EX)
        time.sleep(1)

    result = watch(job, "A B", SleepProbe(watch.bindings), FileLockProbe())
    for file in kept:
        file.close()  # type: ignore[attr-defined]
    assert result.copies["A"].completed
    assert result.copies["B"].error == f"waits for ever for lock:{path}"


@KINDS
def test_outside_a_check_nothing_is_changed(path: Path, take: Take) -> None:
    with path.open("r+") as one, path.open("r+") as other:
        take(one.fileno(), fcntl.LOCK_EX)
        if take is fcntl.flock:
            with pytest.raises(BlockingIOError):
                take(other.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            take(other.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


@KINDS
def test_effects_carry_the_locks_that_are_kept(run: Run, path: Path, take: Take) -> None:
    def job() -> None:
        with path.open("r+") as file:
            time.sleep(1)
            take(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(2)
            take(file.fileno(), fcntl.LOCK_UN)
            time.sleep(3)
            time.sleep(4)

    lock = f"lock:{path}/@held"
    found = [[touch.resource for touch in effect.locks] for effect in effects(run(job, "A"))]
    assert found == [[], [lock], [lock], []]


@KINDS
def test_who_asks_in_vain_depends_on_the_lock_too(run: Run, path: Path, take: Take) -> None:
    def job() -> None:
        with path.open("r+") as file:
            try:
                take(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(2)
                time.sleep(3)
            else:
                time.sleep(1)

    result = run(job, "A0 B A")
    found = {effect.label: bool(effect.locks) for effect in effects(result)}
    assert found == {"sleep 1 s": True, "sleep 2 s": True, "sleep 3 s": False}
