"""The copies of a coroutine job as tasks of one event loop: they switch where they await, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from jobchaos.clock.shared_loop import SharedLoop
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.engine.tasks import Tasks
from jobchaos.errors import UsageError

if TYPE_CHECKING:
    from typing import Any as Lab  # the fixture's class lives in conftest.py

Job = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def tasks(lab: Lab) -> Iterator[None]:
    """Hire tasks, and have everything closed and awaited that a run has opened."""
    loops: list[SharedLoop] = []

    def make_loop(host: Any) -> SharedLoop:
        loops.append(SharedLoop(lab.clock, host))
        return loops[-1]

    lab.hire = Tasks(make_loop)
    yield
    assert loops
    assert all(loop.is_closed() and not asyncio.all_tasks(loop) for loop in loops)


def two_sections(lab: Lab) -> Job:
    async def job() -> None:
        lab.steps("1")
        lab.steps("2")
        await asyncio.sleep(0)
        lab.steps("3")

    return job


def order(lab: Lab) -> str:
    return " ".join(entry.replace(":", "") for entry in lab.steps.log)


def happenings(run: RunResult, copy: str) -> list[Happening]:
    return [event.happening for event in run.trace.events if event.copy == copy]


# --- steps and pauses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("A", "A1 A2 A3"),
        ("A B", "A1 A2 A3 B1 B2 B3"),
        ("A2 B A", "A1 A2 B1 B2 B3 A3"),
        ("A3 B A", "A1 A2 A3 B1 B2 B3"),  # after the await: no other task can run before the end
        ("A0 B A", "A1 A2 B1 B2 B3 A3"),  # in synchronous code: the pause comes where it awaits next
        ("A1 B A", "A1 A2 B1 B2 B3 A3"),
        ("A2 B2 A B", "A1 A2 B1 B2 A3 B3"),
        ("A1!fail A", "A1 A1 A2 A3"),
    ],
)
def test_a_copy_is_paused_where_it_awaits(lab: Lab, token: str, expected: str) -> None:
    run = lab.run(two_sections(lab), token)
    assert order(lab) == expected
    assert run.completed


def test_awaits_are_steps_with_the_line_that_awaits(lab: Lab) -> None:
    run = lab.run(two_sections(lab), "A")
    kinds = [(effect.kind, effect.label) for effect in run.trace.effects()]
    assert kinds == [("step", "1"), ("step", "2"), ("await", "await asyncio.sleep(0)"), ("step", "3")]
    assert run.trace.effects()[2].site.file == __file__


def test_an_await_that_does_not_suspend_is_no_step(lab: Lab) -> None:
    async def at_once() -> None: ...

    async def job() -> None:
        await at_once()
        lab.steps("1")

    assert [effect.label for effect in lab.run(job, "A").trace.effects()] == ["1"]


def test_all_copies_run_in_one_loop_of_one_thread(lab: Lab) -> None:
    loops = []

    async def job() -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        lab.steps("1")

    lab.run(job, "A0 B A")
    assert len(set(map(id, loops))) == len(set(lab.steps.threads)) == 1


def test_every_copy_has_context_variables_of_its_own(lab: Lab) -> None:
    name = contextvars.ContextVar("name", default="")
    seen = []

    async def job() -> None:
        seen.append(name.get())
        name.set(lab.steps.worker.copy)
        await asyncio.sleep(0)
        seen.append(name.get())
        lab.steps(name.get())

    lab.run(job, "A0 B A")
    assert seen == ["", "", "B", "A"]


def test_tasks_of_a_copy_are_paused_with_it(lab: Lab) -> None:
    async def part(label: str) -> None:
        await asyncio.sleep(0)
        lab.steps(label)

    async def job() -> None:
        await asyncio.gather(part("x"), part("y"))

    run = lab.run(job, "A1 B A")
    assert order(lab) == "Bx By Ax Ay"
    assert run.completed


# --- waiting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 5])
def test_a_lock_that_a_paused_copy_holds_is_waited_for(lab: Lab, limit: int | None) -> None:
    lock = asyncio.Lock()

    async def job() -> None:
        await asyncio.wait_for(lock.acquire(), limit)
        lab.steps("in")
        await asyncio.sleep(0)
        lab.steps("out")
        lock.release()

    steps_to_the_sleep = 1 + bool(limit and _waits_in_a_task())
    run = lab.run(job, f"A{steps_to_the_sleep} B A")
    assert order(lab) == "Ain Aout Bin Bout"
    assert Happening.BLOCKED in happenings(run, "B")
    assert run.completed


def _waits_in_a_task() -> bool:
    """Whether `asyncio.wait_for` makes a task, which is one more await."""
    import sys

    return sys.version_info < (3, 12)


def test_a_limit_strikes_if_nobody_can_help(lab: Lab) -> None:
    event = asyncio.Event()

    async def job() -> None:
        try:
            await asyncio.wait_for(event.wait(), 60)
        except asyncio.TimeoutError:
            lab.steps("late")

    assert lab.run(job, "A0 B A").completed
    assert sorted(lab.steps.log) == ["A:late", "B:late"]


def test_a_deadlock_is_one(lab: Lab) -> None:
    one, two = asyncio.Lock(), asyncio.Lock()

    async def job() -> None:
        first, second = (one, two) if lab.steps.worker.copy == "A" else (two, one)
        async with first:
            await asyncio.sleep(0)
            async with second:
                lab.steps("in")

    run = lab.run(job, "A0 B A")
    assert run.copies["A"].error == "waits for ever for what it awaits: async with second:"
    assert not run.completed


def test_who_polls_lets_others_move(lab: Lab) -> None:
    busy: list[int] = []

    async def job() -> None:
        while busy:
            await asyncio.sleep(1)
        busy.append(1)
        await asyncio.sleep(0)
        busy.clear()
        lab.steps("done")

    assert lab.run(job, "A0 B A").completed
    assert lab.steps.log == ["A:done", "B:done"]


def test_who_polls_for_ever_is_stopped(lab: Lab) -> None:
    async def job() -> None:
        while True:
            await asyncio.sleep(1)

    run = lab.run(job, "A")
    assert run.copies["A"].error == "awaits more than 500 times without any other effect: an endless loop?"


def test_sleeping_takes_virtual_time_only(lab: Lab) -> None:
    async def job() -> None:
        await asyncio.sleep(3600)
        lab.steps(str(lab.clock.now() // 10**9))

    lab.run(job, "A")
    assert lab.steps.log == ["A:3600"]


def test_a_lock_of_threading_held_across_an_await_stops_the_loop(lab: Lab) -> None:
    async def job() -> None:
        lab.steps.lock()
        await asyncio.sleep(0)
        lab.steps.unlock()

    run = lab.run(job, "A1 B A")
    assert run.copies["B"].error == "waits for ever for the lock"
    assert run.copies["A"].error == "waits for ever for the event loop, in which B waits without await"


def test_a_limit_in_synchronous_code_ends_that(lab: Lab) -> None:
    async def job() -> None:
        try:
            lab.steps.lock(deadline=lab.clock.now() + 10**9)
        except TimeoutError:
            lab.steps("refused")
            return
        await asyncio.sleep(0)
        lab.steps.unlock()

    assert lab.run(job, "A1 B A").completed
    assert lab.steps.log == ["B:refused"]


def test_real_connections_and_threads_are_waited_for(lab: Lab) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def job() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        text = await asyncio.get_running_loop().run_in_executor(None, line.decode)
        lab.steps(text.strip())

    assert lab.run(job, "A3 B A").completed
    assert sorted(lab.steps.log) == ["A:hello", "B:hello"]


# --- death -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("A2!kill A", "A1 A2 A1 A2 A3"),  # at the await
        ("A1!kill A", "A1 A1 A2 A3"),  # before an effect
        ("A3!kill A", "A1 A2 A1 A2 A3"),
        ("A2 B1!kill A B", "A1 A2 B1 A1 A2 A3 B1 B2 B3"),  # one process: A dies with B
        ("A2!terminate A", "A1 A2 A1 A2 A3"),
    ],
)
def test_a_kill_takes_the_whole_process(lab: Lab, token: str, expected: str) -> None:
    run = lab.run(two_sections(lab), token)
    assert order(lab) == expected
    assert run.completed
    assert run.carried_out


def test_the_others_are_told_why_they_died(lab: Lab) -> None:
    run = lab.run(two_sections(lab), "A2 B1!kill A B")
    (death,) = [event for event in run.trace.events if event.copy == "A" and event.happening is Happening.KILLED]
    assert death.detail == "it lived in the process of B, which died"
    assert run.copies["A"].attempts == run.copies["B"].attempts == 2


def test_dead_men_do_not_write(lab: Lab) -> None:
    async def job() -> None:
        try:
            await asyncio.sleep(0)
            lab.steps("1")
        finally:
            await asyncio.sleep(0)
            lab.steps("clean-up")

    run = lab.run(job, "A0 B0!kill A B")
    assert order(lab) == "A1 Aclean-up B1 Bclean-up"
    assert not run.oddities


def test_a_death_in_a_task_is_the_death_of_all(lab: Lab) -> None:
    async def part() -> None:
        lab.steps("part")
        lab.steps("part 2")

    async def job() -> None:
        await asyncio.gather(part(), asyncio.sleep(60))

    run = lab.run(job, "A2!kill A")
    assert lab.steps.log == ["A:part", "A:part", "A:part 2"]
    assert run.completed


def test_a_job_that_swallows_its_death_is_stopped_and_named(lab: Lab) -> None:
    async def job() -> None:
        lab.steps("1")
        while lab.steps.log.count("A:1") == 1:
            with contextlib.suppress(BaseException):  # the mistake under test
                await asyncio.sleep(0)

    run = lab.run(job, "A1!kill A")
    assert run.completed
    assert [code for code, _ in run.oddities] == ["JC702"]


# --- ends ------------------------------------------------------------------------------------------------------------


def test_tasks_left_behind_are_cancelled(lab: Lab) -> None:
    async def forgotten() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            lab.steps("cancelled")
            raise

    async def job() -> None:
        asyncio.ensure_future(forgotten())  # noqa: RUF006 - the mistake under test
        await asyncio.sleep(0)

    assert lab.run(job, "A").completed
    assert lab.steps.log == ["A:cancelled"]


def test_a_task_that_exits_ends_its_attempt(lab: Lab) -> None:
    async def exits() -> None:
        lab.steps("exit")
        raise SystemExit(3)

    async def job() -> None:
        await asyncio.gather(exits(), asyncio.sleep(60))

    lab.attempts = 1
    run = lab.run(job, "A")
    assert run.copies["A"].error == "SystemExit: 3"


def test_cancelling_goes_through(lab: Lab) -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            lab.steps("cancelled")

    async def job() -> None:
        task = asyncio.ensure_future(slow())
        never = asyncio.ensure_future(slow())
        never.cancel()  # before it has begun
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncio.CancelledError):
            await never

    assert lab.run(job, "A").completed
    assert lab.steps.log == ["A:cancelled"]


def test_an_endless_loop_is_stopped_by_the_guard(lab: Lab) -> None:
    async def job() -> None:
        await asyncio.sleep(0)
        while True:
            random.random()

    lab.guard = 0.2
    run = lab.run(job, "A0 B A")
    assert run.stuck.endswith("in job()")


def test_no_job_but_a_coroutine(lab: Lab) -> None:
    with pytest.raises(UsageError, match="coroutine functions"):
        lab.run(lambda: None, "A")
