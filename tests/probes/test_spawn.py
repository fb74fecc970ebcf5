"""Threads and processes of a job's own are named."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import warnings

import pytest

from jobchaos.probes.spawn import SpawnProbe
from tests.probes.conftest import Watch


def test_a_thread_is_reported(watch: Watch) -> None:
    def job() -> None:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    ((code, message),) = watch(job, "A", SpawnProbe(watch.bindings)).oddities
    assert code == "JC906"
    assert message.startswith("starts a thread of its own")


def test_a_process_is_reported_once(watch: Watch) -> None:
    def job() -> None:
        for _ in range(2):
            subprocess.run([sys.executable, "-c", ""], check=True)

    ((code, message),) = watch(job, "A", SpawnProbe(watch.bindings)).oddities
    assert code == "JC906"
    assert message.startswith("starts a process of its own")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_copy_of_the_worker_in_a_forked_process_is_not_controlled(watch: Watch) -> None:
    spawn = SpawnProbe(watch.bindings)

    def job() -> None:
        child = os.fork()
        if not child:
            control = spawn._control
            os._exit(control is None or control.current() is not None)
        assert os.waitpid(child, 0) == (child, 0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from Python 3.12 on
        run = watch(job, "A", spawn)
    assert run.completed
    assert [code for code, _ in run.oddities] == ["JC906"]


@pytest.mark.parametrize("status", [0, 3])
def test_a_thread_does_not_end_the_process_of_the_test(watch: Watch, status: int) -> None:
    ((code, message),) = watch(lambda: os._exit(status), "A", SpawnProbe(watch.bindings)).oddities
    assert (code, f"os._exit({status})" in message) == ("JC911", True)


def test_a_job_without_either_is_not_reported(watch: Watch) -> None:
    assert watch(lambda: None, "A", SpawnProbe(watch.bindings)).oddities == ()


def test_a_thread_that_waits_for_a_process_of_asyncio_is_none_of_the_job_s(watch: Watch) -> None:
    async def job() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
        await process.wait()

    run = watch(lambda: asyncio.run(job()), "A", SpawnProbe(watch.bindings))
    assert [message.partition(" of its own")[0] for _, message in run.oddities] == ["starts a process"]
