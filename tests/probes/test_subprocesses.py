"""A process that does not end, simulated, is to `subprocess` what a real one is."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobchaos import Settings, check
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.subprocesses import SubprocessProbe
from tests.probes.conftest import Watch

SECOND = 10**9
QUICK, ENDLESS = [sys.executable, "-c", ""], [sys.executable, "-c", "import time; time.sleep(60)"]
SHORT = 0.05

Run = Callable[["list[str]", "float | None"], None]


def runs(command: list[str], timeout: float | None) -> None:
    subprocess.run(command, check=True, timeout=timeout)


def asks(command: list[str], timeout: float | None) -> None:
    subprocess.check_output(command, timeout=timeout)


def waits(command: list[str], timeout: float | None) -> None:
    process = subprocess.Popen(command)
    try:
        process.wait(timeout)
    finally:
        process.kill()
        process.wait()


def communicates(command: list[str], timeout: float | None) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            process.communicate(b"", timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def calls(command: list[str], timeout: float | None) -> None:
    subprocess.check_call(command, timeout=timeout)


RUNS = [runs, asks, waits, communicates, calls]


def raised(run: RunResult) -> list[tuple[float, str]]:
    return [(event.at / SECOND, event.detail) for event in run.trace.events if event.happening is Happening.RAISED]


def without_seconds(text: str) -> str:
    """`communicate` may tell what was left of its time at the end."""
    return re.sub(r"[\d.]+ seconds", "... seconds", text)


@pytest.mark.parametrize("token", ["A0!hang", "A0!late"])
@pytest.mark.parametrize("run", RUNS)
def test_a_simulated_process_that_does_not_end_raises_what_a_real_one_raises(
    watch: Watch, run: Run, token: str
) -> None:
    simulated = watch(lambda: run(QUICK, SHORT * 100), token, SubprocessProbe())
    assert simulated.completed
    with pytest.raises(subprocess.TimeoutExpired) as real:
        run(ENDLESS, SHORT)
    expected = without_seconds(f"TimeoutExpired: {real.value}".replace(repr(ENDLESS), repr(QUICK)))
    assert [(at, without_seconds(text)) for at, text in raised(simulated)] == [(5, expected)]


@pytest.mark.parametrize("run", RUNS)
def test_without_a_timeout_it_is_told_what_to_set_and_where(watch: Watch, run: Run) -> None:
    copy = watch(lambda: run(QUICK, None), "A0!hang", SubprocessProbe()).copies["A"]
    assert not copy.completed
    assert copy.hung is not None
    assert copy.hung.timeout is None
    assert copy.hung.site is not None
    assert copy.hung.site.function == run.__name__
    assert copy.hung.advice == ADVICE[run.__name__]


ADVICE = {
    "runs": "subprocess.run(..., timeout=...)",
    "asks": "subprocess.check_output(..., timeout=...)",
    "calls": "subprocess.check_call(..., timeout=...)",
    "waits": "process.wait(timeout=...), or process.communicate(timeout=...)",
    "communicates": "process.wait(timeout=...), or process.communicate(timeout=...)",
}


def test_a_process_that_was_sent_a_signal_ends(watch: Watch) -> None:
    def job() -> None:
        process = subprocess.Popen(ENDLESS)
        process.terminate()
        process.wait()

    run = watch(job, "A0!slow", SubprocessProbe())
    assert run.completed
    assert run.copies["A"].hung is None


@pytest.mark.parametrize(
    ("timeout", "codes"), [(None, ["JC401", "JC906"]), (60, ["JC402", "JC403", "JC906"]), (5, ["JC906"])]
)
def test_a_job_that_waits_for_a_process(tmp_path: Path, timeout: float | None, codes: list[str]) -> None:
    """What the process itself does nobody controls, which is told as well."""

    def job() -> None:
        runs(QUICK, timeout)
        (tmp_path / "done").write_text("done")

    verdict = check(job, faults=["timeout"], settings=Settings(profile="quick", within=30))
    assert sorted(finding.code for finding in verdict.findings) == codes


async def awaits(command: list[str], timeout: float | None) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await asyncio.wait_for(process.wait(), timeout)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise


async def awaits_its_output(command: list[str], timeout: float | None) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        await asyncio.wait_for(process.communicate(), timeout)
    except asyncio.TimeoutError:
        process.terminate()
        await process.communicate()
        raise


@pytest.mark.parametrize("job", [awaits, awaits_its_output], ids=lambda job: job.__name__)
@pytest.mark.parametrize(("timeout", "codes"), [(None, ["JC401", "JC906"]), (60, ["JC402", "JC906"]), (5, ["JC906"])])
def test_a_job_that_awaits_a_process(tmp_path: Path, job: Any, timeout: float | None, codes: list[str]) -> None:
    async def works() -> None:
        await job(QUICK, timeout)
        (tmp_path / "done").write_text("done")

    verdict = check(works, faults=["timeout"], settings=Settings(profile="quick", within=30))
    assert sorted(finding.code for finding in verdict.findings) == codes
    for finding in verdict.findings:
        if finding.code == "JC401":
            assert f"at {Path(__file__).name}:" in finding.message
            assert finding.fix.startswith("asyncio.timeout(...) or asyncio.wait_for(..., timeout=...) around it at ")
