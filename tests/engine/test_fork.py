"""Forked workers: the same schedules as in threads, real death, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.core.trace import Happening
from jobchaos.engine.world import World
from jobchaos.errors import InternalError, UnsafeRestoreError, UsageError
from jobchaos.stores.memory import MemoryStore
from tests.engine.forked import ForkLab, LineStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else set()


def children() -> set[str]:
    """Numbers of all processes that this one has started and not waited for; Linux only."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            if parent == str(os.getpid()):
                found.add(path.parent.name)
    return found


def is_frozen() -> bool:
    """Whether somebody has frozen everything there is; Python 3.12 does so with some hundred objects of its own."""
    return gc.get_freeze_count() > 5000


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ForkLab]:
    before, frozen, born = descriptors(), is_frozen(), children()
    yield ForkLab(tmp_path / "lines.txt")
    assert children() <= born  # none is left, dead or alive; servers of other tests may be there
    assert descriptors() <= before  # the garbage of earlier tests may have held some
    assert is_frozen() == frozen


def three(lab: ForkLab) -> Callable[[], None]:
    def job() -> None:
        for label in ("1", "2", "3"):
            lab.lines(label)

    return job


@pytest.mark.parametrize(
    ("token", "order"),
    [
        ("A", "A1 A2 A3"),
        ("A A", "A1 A2 A3 A1 A2 A3"),
        ("A2 B1 A B", "A1 A2 B1 A3 B2 B3"),
        ("A0 B A", "B1 B2 B3 A1 A2 A3"),
        ("A2!kill A", "A1 A2 A1 A2 A3"),
        ("A3!kill A", "A1 A2 A3 A1 A2 A3"),
        ("A1!kill B A", "A1 B1 B2 B3 A1 A2 A3"),
        ("A1!fail A", "A1 A1 A2 A3"),
        ("A1!lost A", "A1 A2 A1 A2 A3"),
        ("A1!terminate A", "A1 A1 A2 A3"),
    ],
)
def test_effects_happen_in_the_order_of_the_token(lab: ForkLab, token: str, order: str) -> None:
    run = lab.run(three(lab), token)
    assert " ".join(lab.log) == order
    assert run.completed
    assert run.carried_out


def test_each_attempt_is_a_process_of_its_own(lab: ForkLab) -> None:
    lab.run(lambda: lab.lines(str(os.getpid())), "A1!kill A B")
    processes = {line[1:] for line in lab.log}
    assert len(processes) == len(lab.log) == 3
    assert str(os.getpid()) not in processes


def test_probes_are_told_in_the_child_and_only_there(lab: ForkLab) -> None:
    lab.run(three(lab), "A1 B A")
    assert (lab.lines.forks, lab.lines.resumed) == ([], [])
    told = [news for news in lab.lines.news if news != ([], [])]
    assert told
    assert all(forks == resumed and len(forks) == 1 for forks, resumed in told)


def test_nothing_runs_in_a_killed_worker(lab: ForkLab) -> None:
    def job() -> None:
        try:
            lab.lines("first")
            lab.lines("second")
        finally:
            lab.lines.append("clean-up")

    run = lab.run(job, "A1!kill A")
    assert lab.log == ["Afirst", "Afirst", "Asecond", "clean-up"]
    killed = [event for event in run.trace.events if event.happening is Happening.KILLED]
    assert [event.effect and event.effect.label for event in killed] == ["second"]


def test_memory_dies_with_the_worker(lab: ForkLab) -> None:
    seen: list[int] = []

    def job() -> None:
        seen.append(1)
        lab.lines(str(len(seen)))

    lab.run(job, "A1!kill A A")
    assert lab.log == ["A1"] * 3
    assert seen == []


def test_stores_are_bound_here_before_the_first_touch(lab: ForkLab) -> None:
    lab.path.write_text("before\n")
    lab.run(three(lab), "A1 B A")
    assert lab.store.announced == [("lines:", os.getpid())]


def test_a_store_that_refuses_ends_the_check_with_its_own_error(lab: ForkLab) -> None:
    def refuse(_resource: str) -> LineStore:
        raise UnsafeRestoreError("not a test resource")

    with (
        pytest.raises(UnsafeRestoreError, match="not a test resource"),
        lab.runner(three(lab), World(refuse)) as runner,
    ):
        runner.run(Schedule.parse("A"))


class UnpicklableError(Exception):
    """Takes two arguments, and so cannot be made again from what it shows."""

    def __init__(self, one: str, other: object) -> None:
        super().__init__(f"{one} failed")
        self.other = other


@pytest.mark.parametrize(
    ("error", "kind"), [(UnpicklableError("it", threading.Lock()), InternalError), (UsageError("host"), UsageError)]
)
def test_what_stops_the_check_is_raised_here(lab: ForkLab, error: Exception, kind: type[Exception]) -> None:
    def job() -> None:
        stage = lab.lines.control
        assert stage is not None
        stage.stop(error)  # type: ignore[attr-defined]  # the engine's own
        raise error

    with pytest.raises(kind, match=r"host|UnpicklableError: it failed"):
        lab.run(job, "A")


def test_an_exception_that_cannot_be_sent_is_told_with_its_traceback(lab: ForkLab) -> None:
    def job() -> None:
        lab.lines("1")
        raise UnpicklableError("it", threading.Lock())

    with lab.runner(job) as runner:
        run = runner.run(Schedule.parse("A"))
        failure = runner.last_failure
    assert run.copies["A"].error == "UnpicklableError: it failed"
    assert failure is not None
    assert "test_fork.py" in failure.traceback
    assert "UnpicklableError: it failed" in failure.traceback
    assert "engine/attempt.py" not in failure.traceback


def test_time_and_random_values_are_of_one_piece(lab: ForkLab) -> None:
    seen = lab.path.with_suffix(".times")

    def job() -> None:
        with seen.open("a") as file:
            file.write(f"{lab.clock.now() // 10**9} ")
        lab.clock.advance(3 * 10**9)
        lab.conditions.handed_out.append(f"{lab.lines.worker.copy}{lab.lines.worker.attempt}")
        lab.lines("1")
        lab.lines("2")

    run = lab.run(job, "A1 +61s B A A")
    assert seen.read_text() == "0 65 69 "  # each delivery but the first comes a second later
    assert lab.clock.now() == 72 * 10**9
    assert run.fresh.chunks == (b"A1", b"B1", b"A2")


def test_foreign_effects_and_oddities_are_told(lab: ForkLab) -> None:
    mail = Foreign("mail", ("to",), ("ann",))

    def job() -> None:
        worker = lab.lines.worker
        lab.lines("1")
        worker.perform(Effect("mail", "to ann", durable=True, foreign=mail), lambda: None, failure=OSError)
        worker.oddity("JC906", "is odd")
        lab.lines("2")

    run = lab.run(job, "A2!kill A")
    assert lab.store.records == [mail, mail]
    assert run.oddities == (("JC906", "is odd"),)


def test_an_outcome_that_becomes_known_after_a_pause_is_entered(lab: ForkLab) -> None:
    def job() -> None:
        pending = lab.lines.worker.begin(Effect("step", "ask"), OSError)
        pending.done()
        lab.lines("1")
        pending.add("-> 5")
        lab.lines("2")

    run = lab.run(job, "A1 B A")
    asked = [event.detail for event in run.trace.events if event.effect and event.effect.label == "ask"]
    assert asked[:1] == ["-> 5"]
    assert "-> 5" in asked[-1]


def test_a_blocked_copy_waits_for_the_holder_and_goes_on(lab: ForkLab) -> None:
    def job() -> None:
        lab.lines.lock()
        lab.lines("1")
        lab.lines.unlock()

    run = lab.run(job, "A2 B A")
    assert lab.log == ["A1", "B1"]
    blocked = [(event.copy, event.detail) for event in run.trace.events if event.happening is Happening.BLOCKED]
    assert blocked == [("B", "lock:lines")]
    assert run.completed


def test_an_endless_loop_is_stopped_by_the_guard_and_located(lab: ForkLab) -> None:
    def job() -> None:
        lab.lines("first")
        while True:
            pass

    lab.guard = 0.3
    run = lab.run(job, "A")
    assert "test_fork.py" in run.stuck
    assert run.stuck.endswith("in job()")


def exits() -> None:
    os._exit(3)


def runs_out_of_memory() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does


@pytest.mark.parametrize(("death", "how"), [(exits, "exit status 3"), (runs_out_of_memory, "killed by SIGKILL")])
def test_a_worker_that_dies_by_itself_is_named_and_redelivered(
    lab: ForkLab, death: Callable[[], None], how: str
) -> None:
    def job() -> None:
        lab.lines("1")
        if lab.lines.worker.attempt == 1:
            death()

    run = lab.run(job, "A")
    assert run.completed
    assert lab.log == ["A1", "A1"]
    ((code, message),) = run.oddities
    assert code == "JC911"
    assert how in message


def test_a_fork_that_fails_is_the_users_business(lab: ForkLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(UsageError, match=r"refuses to start another process.*temporarily unavailable.*ulimit -u"):
        lab.run(three(lab), "A")


def test_a_system_without_fork_is_refused(lab: ForkLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(UsageError, match=r"os\.fork, which this system does not have"):
        lab.run(three(lab), "A")


def test_memory_as_state_is_refused(lab: ForkLab) -> None:
    world = World(lambda _: lab.store)
    world.add(MemoryStore([1], name="seen"))
    with pytest.raises(UsageError, match=r"memory of this process \(seen\)"), lab.runner(three(lab), world) as runner:
        runner.run(Schedule.parse("A"))


def test_a_process_that_the_job_forks_has_no_say(lab: ForkLab) -> None:
    def job() -> None:
        lab.lines("1")
        if not os.fork():
            lab.lines("2")  # it parks here, and must not answer in the worker's place
            os._exit(0)
        os.wait()
        lab.lines("3")

    run = lab.run(job, "A1!kill A")
    assert run.completed
    assert lab.log[-1] == "A3"


def test_signals_have_their_default_effect_and_handlers_stay_in_the_child(lab: ForkLab) -> None:
    here = signal.getsignal(signal.SIGALRM)

    def job() -> None:
        lab.lines(str(signal.getsignal(signal.SIGINT) is signal.SIG_DFL))
        signal.signal(signal.SIGALRM, lambda *_: lab.lines.append("alarm"))
        signal.raise_signal(signal.SIGALRM)

    lab.run(job, "A")
    assert lab.log == ["ATrue", "alarm"]
    assert signal.getsignal(signal.SIGALRM) is here


def test_context_variables_are_the_workers_own(lab: ForkLab) -> None:
    number = contextvars.ContextVar("number", default=0)

    def job() -> None:
        number.set(number.get() + 1)
        lab.lines(str(number.get()))

    lab.run(job, "A B")
    assert lab.log == ["A1", "B1"]


def test_the_child_is_not_in_the_event_loop_that_it_was_forked_from(lab: ForkLab) -> None:
    async def nap() -> str:
        await asyncio.sleep(0)
        return "rested"

    async def main() -> None:
        lab.run(lambda: lab.lines(asyncio.run(nap())), "A")

    asyncio.run(main())
    assert lab.log == ["Arested"]


def test_the_child_does_not_finalize_what_the_parent_has_dropped(lab: ForkLab) -> None:
    class Noisy:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            lab.lines.append(f"finalized in {os.getpid()}".replace(" ", "_"))

    def job() -> None:
        gc.collect()
        lab.lines("1")

    gc.collect()
    gc.disable()
    try:
        Noisy()
        lab.run(job, "A")
        assert lab.log == ["A1"]
        gc.collect()
        assert lab.log[1:] == [f"finalized_in_{os.getpid()}"]
    finally:
        gc.enable()


def test_what_is_printed_is_printed_once(lab: ForkLab, capfd: pytest.CaptureFixture[str]) -> None:
    print("before")

    def job() -> None:
        print("in the job")
        lab.lines("1")

    lab.run(job, "A")
    assert capfd.readouterr().out == "before\nin the job\n"


def test_an_interrupt_in_the_controller_leaves_no_child(lab: ForkLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_self: object, _news: object) -> None:
        if lab.log:  # not when it announces what it will touch
            raise KeyboardInterrupt

    monkeypatch.setattr(type(lab.lines), "take_over", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lab.run(three(lab), "A1 B A")
    assert lab.log == ["A1"]  # and the fixture sees that no child is left


def test_an_interrupt_from_the_terminal_leaves_no_child(lab: ForkLab) -> None:
    def job() -> None:
        lab.lines("1")
        os.kill(os.getppid(), signal.SIGINT)
        while True:
            time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        lab.run(job, "A")
    assert lab.log == ["A1"]


def test_one_attempt_can_start_from_a_saved_state(lab: ForkLab) -> None:
    with lab.runner(three(lab)) as runner:
        runner.run(Schedule.parse("A1!kill"))
        saved = World(lambda _: None).save()
        run = runner.attempt_from(saved, (Run("A"),), Run("A", 2, Fault.KILL))
    assert lab.log == ["A1", "A2"]
    assert run.copies["A"].attempts == 2
    assert not run.completed


@pytest.mark.thorough
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="descriptors are listed in /proc")
def test_a_thousand_forks_leave_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.thousand_forks", str(tmp_path)]
    root = Path(__file__).parents[2]
    counted = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert counted.stdout.strip() == "1000 0 no child"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python warns from 3.12 on")
def test_the_warning_about_threads_is_not_the_users(lab: ForkLab) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert lab.run(three(lab), "A").completed
    finally:
        stop.set()
        thread.join()
