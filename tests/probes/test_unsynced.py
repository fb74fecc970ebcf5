"""What was not synced is lost in part when the machine dies; what was, is safe."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos import UsageError, check
from jobchaos.core.settings import Settings
from jobchaos.probes.files import FileProbe
from jobchaos.probes.unsynced import torn
from tests.probes.conftest import Watch, seen


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        (b"", b"1234", b"12"),
        (b"", b"1", b""),
        (b"old ", b"old 1234", b"old 12"),
        (b"abcdef", b"ab1234", b"ab12ef"),
        (b"same", b"same", b"same"),
        (b"longer", b"12", b"1onger"),
    ],
)
def test_the_first_half_of_what_has_changed_is_left(before: bytes, after: bytes, left: bytes) -> None:
    assert torn(before, after) == left


def killed(watch: Watch, job: Callable[[], object], at: int) -> list[str]:
    """Let a job die at a step, and be redelivered to no effect."""
    attempts: list[int] = []

    def once() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            job()

    return seen(watch(once, f"A{at}!kill A", FileProbe(watch.bindings, torn_writes=True)))


def test_an_append_is_torn_behind_what_was_there(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("old;")

    def job() -> None:
        with open(tmp_path / "log", "a") as log:
            log.write("12345678")

    killed(watch, job, 1)
    assert (tmp_path / "log").read_text() == "old;1234"


@pytest.mark.parametrize("sync", ["fsync", "fdatasync"])
def test_what_is_synced_is_safe(watch: Watch, tmp_path: Path, sync: str) -> None:
    def job() -> None:
        with open(tmp_path / "log", "wb", buffering=0) as log:
            log.write(b"12345678")
            getattr(os, sync)(log.fileno())
            log.write(b"abcd")

    steps = killed(watch, job, 4)
    assert [step.split()[0] for step in steps] == ["create", "write", "fsync", "write"]
    assert (tmp_path / "log").read_text() == "12345678ab"


def test_a_descriptor_s_data_is_torn_too_and_a_rename_takes_it_along(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        descriptor = os.open(tmp_path / "new", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, b"12345678")
        os.close(descriptor)
        (tmp_path / "new").replace(tmp_path / "final")

    killed(watch, job, 3)
    assert os.listdir(tmp_path) == ["final"]
    assert (tmp_path / "final").read_text() == "1234"


def test_nothing_is_torn_without_a_death_or_without_the_option(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        (tmp_path / "a").write_text("12345678")

    watch(job, "A", FileProbe(watch.bindings, torn_writes=True))
    assert (tmp_path / "a").read_text() == "12345678"
    watch(lambda: job() if not (tmp_path / "a").exists() else None, "A2!kill A", FileProbe(watch.bindings))
    assert (tmp_path / "a").read_text() == "12345678"


def appends_a_line_if_it_is_missing(log: Path) -> None:
    """Trusts that a line is there as a whole or not at all."""
    if "order 7" not in (log.read_text() if log.exists() else ""):
        with open(log, "a") as file:
            file.write("order 7 was paid\n")


def test_a_check_finds_what_only_a_power_failure_does(tmp_path: Path) -> None:
    def verdict(**options: bool) -> dict[str, str]:
        (tmp_path / "log").unlink(missing_ok=True)
        result = check(
            lambda: appends_a_line_if_it_is_missing(tmp_path / "log"),
            faults=["crash"],
            settings=Settings(**options),  # type: ignore[arg-type]
        )
        return {finding.code: str(finding.schedule) for finding in result.findings}

    assert verdict() == {}
    assert verdict(torn_writes=True) == {"JC303": "A2!kill A"}


def test_power_failures_are_simulated_only() -> None:
    with pytest.raises(UsageError, match="torn_writes=True needs a machine that loses its power"):
        Settings(torn_writes=True, isolation="process")
    with pytest.raises(UsageError, match="must be True or False, got 1"):
        Settings(torn_writes=1)  # type: ignore[arg-type]
