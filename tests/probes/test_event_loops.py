"""`asyncio.run` inside a job: in virtual time, under whatever name, and as before afterwards."""

from __future__ import annotations

import asyncio
import functools
import time
from asyncio import as_completed as early_as_completed
from asyncio import new_event_loop

import pytest

from jobchaos.clock.loop import virtual_loop
from jobchaos.core.ports import Control
from jobchaos.core.result import RunResult
from jobchaos.probes.base import BaseProbe
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, seen

genuine = asyncio.new_event_loop


async def sleeps() -> None:
    await asyncio.wait_for(asyncio.gather(asyncio.sleep(3600), asyncio.sleep(7)), 4000)
    time.sleep(1)


def runs_it() -> None:
    asyncio.run(sleeps())


def runs_it_in_a_loop_of_its_own() -> None:
    loop = new_event_loop()
    try:
        loop.run_until_complete(sleeps())
    finally:
        loop.close()


def run(watch: Watch, job: object, token: str = "A") -> RunResult:
    probe = EventLoopProbe(watch.bindings, functools.partial(virtual_loop, watch.clock, lambda: None))
    return watch(job, token, SleepProbe(watch.bindings), probe)  # type: ignore[arg-type]


@pytest.mark.parametrize("job", [runs_it, runs_it_in_a_loop_of_its_own])
def test_a_jobs_own_event_loop_is_in_virtual_time(watch: Watch, job: object) -> None:
    result = run(watch, job)
    assert result.completed, result.copies
    assert seen(result) == ["sleep 1 s"]
    assert watch.clock.now() == 3601 * 10**9


@pytest.mark.parametrize("token", ["A0 B A", "A0!kill A"])
def test_its_worker_can_be_paused_and_killed(watch: Watch, token: str) -> None:
    result = run(watch, runs_it, token)
    assert result.completed
    assert result.carried_out


def test_the_genuine_function_is_back_afterwards(watch: Watch) -> None:
    run(watch, runs_it)
    assert asyncio.new_event_loop is asyncio.events.new_event_loop is new_event_loop is genuine


class Elsewhere(BaseProbe):
    """Makes a loop in the controller's thread while the other probes are installed."""

    def __init__(self) -> None:
        self.loops: list[asyncio.AbstractEventLoop] = []

    def install(self, control: Control) -> None:
        self.loops.append(asyncio.new_event_loop())


def test_other_threads_get_ordinary_loops(watch: Watch) -> None:
    elsewhere = Elsewhere()
    probe = EventLoopProbe(watch.bindings, functools.partial(virtual_loop, watch.clock, lambda: None))
    watch(lambda: None, "A", probe, elsewhere)
    (loop,) = elsewhere.loops
    loop.close()
    assert type(loop).__module__.startswith("asyncio.")


def test_coroutines_of_as_completed_begin_in_the_order_of_the_job(watch: Watch) -> None:
    """Asyncio itself puts them into a set, so that their addresses decide."""
    begun: list[int] = []
    fates: list[str] = []

    async def begin(number: int) -> int:
        begun.append(number)
        return number

    async def all_of_them() -> None:
        for each in early_as_completed([begin(number) for number in range(40)], timeout=5):
            await each
        for wrong in (begin(40), asyncio.get_running_loop().create_future()):
            try:
                list(asyncio.as_completed(wrong))  # type: ignore[arg-type]
            except TypeError as error:
                fates.append(str(error).partition(",")[0])
            if asyncio.iscoroutine(wrong):
                wrong.close()

    assert run(watch, lambda: asyncio.run(all_of_them())).completed
    assert begun == list(range(40))
    assert len(fates) == 2
    assert asyncio.as_completed is early_as_completed
