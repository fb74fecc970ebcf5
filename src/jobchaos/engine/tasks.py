"""TaskWorker: one attempt as a task, in an event loop that it shares with the other copies; Tasks hires them."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Iterable
from types import FrameType
from typing import Any

from jobchaos.core.effect import Effect, Site
from jobchaos.core.trace import Happening
from jobchaos.engine.death import CheckStopped, WorkerKilled, bury
from jobchaos.engine.gate import Gate, Steps
from jobchaos.engine.host import Host, Loop
from jobchaos.engine.outcome import Outcome
from jobchaos.engine.stage import Stage
from jobchaos.engine.task_attempt import TaskAttempt
from jobchaos.engine.worker import LocalWorker
from jobchaos.errors import UsageError


class Tasks:
    """Hires workers that share one event loop, as long as nobody is killed in it.

    Args:
        make_loop: Makes an event loop for a host.
    """

    def __init__(self, make_loop: Callable[[Host], Loop]) -> None:
        self._make_loop = make_loop
        self._host: Host | None = None

    def __call__(self, copy: str, attempt: int, body: Callable[[], object], stage: Stage) -> TaskWorker:
        """See `Hire`. The body returns the job's coroutine."""
        if self._host is None or self._host.is_over:
            self._host = Host(stage, self._make_loop)
        return TaskWorker(copy, attempt, body, stage, self._host)


class TaskWorker(LocalWorker):
    """A worker whose copy is a task, with tasks of its own.

    Args:
        copy: The copy's letter.
        attempt: Which execution of the copy this is, from 1.
        body: Returns the job's coroutine.
        stage: What all workers of the check share.
        host: Where it lives.
    """

    def __init__(self, copy: str, attempt: int, body: Callable[[], object], stage: Stage, host: Host) -> None:
        self._task_attempt = TaskAttempt(copy, attempt, stage, self)
        super().__init__(self._task_attempt, stage)
        self._body = body
        self._host = host
        self._context = contextvars.copy_context()
        self._main: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._exit: BaseException | None = None
        self._gives_way = False
        self._is_stalled = False
        host.guests.append(self)

    # --- the controller's side ---------------------------------------------------------------------------------------

    @property
    def position(self) -> Site | None:
        """See `HiredWorker.position`."""
        return self._host.position

    def _lend(self, guard: float) -> bool:
        stalled_by = self._host.stalled_by
        if stalled_by is not None and stalled_by is not self:
            self.stall(stalled_by.copy)
            return True
        if self._is_stalled:
            self._is_stalled = False
            self._task_attempt.unblock()
        return self._host.lend(self, guard)

    def _end(self, guard: float) -> bool:
        return self._host.end(guard)

    # --- as a guest --------------------------------------------------------------------------------------------------

    def begin(self, loop: Loop) -> None:
        """See `Guest.begin`."""
        if self._main is None:
            self._main = self._context.run(loop.create_task, self._live())
        held, self._waiting = self._waiting, []
        for future in held:
            if not future.done():
                future.set_result(None)

    def adopt(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """See `Guest.adopt`."""
        return Gate(coroutine, self)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """See `Guest.keep`."""
        self._tasks.append(task)

    def owns(self, context: contextvars.Context) -> bool:
        """See `Guest.owns`."""
        return self._stage.worker_of(context) is self._attempt

    def wait(self, deadline: int | None) -> None:
        """See `Guest.wait`."""
        self._task_attempt.block(f"what it awaits: {self._task_attempt.latest}", deadline)

    def stall(self, copy: str) -> None:
        """See `Guest.stall`."""
        self._is_stalled = True
        self._task_attempt.block(f"the event loop, in which {copy} waits without await", None)

    def perish(self, cause: str) -> None:
        """See `Guest.perish`."""
        standing = self.standing
        if cause and not standing.dead:
            standing.cause_of_death = cause
            self._task_attempt.note(Happening.KILLED, standing.waiting_at, cause)
        standing.dead = True

    def vanish(self) -> None:
        """See `Guest.vanish`."""
        self.standing.outcome = Outcome("killed")

    # --- as a vessel: in synchronous code ----------------------------------------------------------------------------

    def park(self) -> None:
        """See `Vessel.park`. The loop stands still, until this copy moves again; or another one, if it only pauses.

        Nobody can be paused in synchronous code to let another task of the loop move. So if one is to move, this one
        goes on to where it awaits.
        """
        host, is_blocked = self._host, bool(self.standing.blocked_on)
        if is_blocked:
            host.stalled_by = self
            if host.mover is not None and host.mover is not self:
                host.mover.stall(self.copy)
        host.hand_back()
        if is_blocked:
            host.stalled_by = None
        if self.standing.dead:
            raise WorkerKilled
        if not is_blocked and host.mover is not self:
            self.standing.credit = None
            self._gives_way = True

    def die(self) -> None:
        """See `Vessel.die`: the process dies, with all who live in it."""
        self._host.fall(self)
        super().die()

    # --- as a keeper of gates ----------------------------------------------------------------------------------------

    @property
    def dead(self) -> bool:
        """See `Keeper.dead`. Tasks that outlive their job are ended, too."""
        return self.standing.dead or self.standing.outcome is not None

    def hold(self) -> Steps:
        """See `Keeper.hold`."""
        cancelled: asyncio.CancelledError | None = None
        while not self.dead and self._host.mover is not self:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                yield from future
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled

    def arrive(self, effect: Effect) -> Steps:
        """See `Keeper.arrive`."""
        cancelled: asyncio.CancelledError | None = None
        attempt, standing = self._task_attempt, self.standing
        while not self.dead and (self._gives_way or (standing.credit == 0 and standing.fault is None)):
            standing.waiting_at = effect
            cancelled = (yield from self._stop()) or cancelled
            standing.waiting_at = None
        if self.dead:
            raise WorkerKilled
        attempt.begin_await(effect)
        if attempt.is_polling and not self._host.is_alone:
            attempt.block("a condition that it polls", None)
            cancelled = (yield from self._stop()) or cancelled
            standing.blocked_on = ""  # not answered: it will look, and may poll again
        return cancelled

    def go_on(self) -> None:
        """See `Keeper.go_on`."""
        if not self.dead:
            self._task_attempt.go_on()

    def insist(self, suspended: Iterable[FrameType]) -> None:
        """See `Keeper.insist`."""
        self._task_attempt.insist(suspended)

    def leave(self, error: BaseException) -> None:
        """See `Keeper.leave`."""
        if self.dead:
            bury(error)
            return
        self._exit = error  # it would end the loop, and the process
        if self._main is not None:
            self._main.cancel()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _stop(self) -> Steps:
        if self._host.mover is self:
            self._host.hand_back()
        self._gives_way = False
        return (yield from self.hold())

    async def _live(self) -> None:
        attempt = self._task_attempt
        with attempt.living():
            coroutine = self._body()
            if not inspect.iscoroutine(coroutine):
                self._stage.stop(UsageError(_NO_COROUTINE))
                raise CheckStopped
            await Gate(coroutine, self)
        self.go_on()
        await self._end_tasks()
        self.standing.outcome = attempt.outcome if self._exit is None else attempt.ended_by(self._exit)
        if self.standing.terminated and self.standing.outcome.failure is not None:
            self._host.fall(self)
        self._host.ended(self)

    async def _end_tasks(self) -> None:
        """Do to the tasks that the job has left behind what `asyncio.run` does."""
        for _ in range(_ROUNDS):
            left = [task for task in self._tasks if not task.done()]
            if not left or self.dead:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left)


_ROUNDS = 3  # tasks may make further ones while they are cancelled
_NO_COROUTINE = (
    'granularity="await" is for jobs that are coroutine functions (async def): their copies share one event loop, and '
    'switch where they await. For any other job use granularity="effect" or "line"; a job that calls asyncio.run '
    "itself has a loop of its own"
)
