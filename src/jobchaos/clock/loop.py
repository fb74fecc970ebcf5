"""An event loop whose timers fire in virtual time, one for each attempt of a coroutine job."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from jobchaos.clock.patience import ANSWER, Ready, listen
from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.ports import Worker

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

OWN_DESCRIPTORS = 1  # the loop's self-pipe
_SECOND = 10**9
_SHORTEST = 2e-9  # seconds, twice the resolution of the clock
_ROUNDS = 3  # tasks may make further ones while they are cancelled


class VirtualSelector(selectors.BaseSelector):
    """Jumps to the loop's next timer instead of waiting for it, when nothing real is pending.

    Args:
        genuine: The selector that knows the sockets and pipes.
        at_work: True while something runs in earnest that will tell the loop when it ends.
        listen: Waits in real time for connections, if there are any. Takes the seconds to the next timer, or None.
        idle: Called when nothing real has come. Takes the same; lets time pass, or another copy wake the loop.
    """

    def __init__(
        self,
        genuine: selectors.BaseSelector,
        at_work: Callable[[], bool],
        listen: Callable[[float | None], Ready],
        idle: Callable[[float | None], Ready],
    ) -> None:
        self._genuine = genuine
        self._at_work = at_work
        self._listen = listen
        self._idle = idle

    def select(self, timeout: float | None = None) -> Ready:
        ready = self._genuine.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        ready = self._genuine.select(timeout) if self._at_work() else self._listen(timeout)
        return ready or self._idle(timeout)

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._genuine.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._genuine.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._genuine.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._genuine.get_map()

    def close(self) -> None:
        self._genuine.close()


def _alone() -> bool:
    return False


def run_coroutine(
    coroutine: Coroutine[Any, Any, Any],
    clock: VirtualClock,
    current: Callable[[], Worker | None],
    shares_time: Callable[[], bool] = _alone,
) -> Any:
    """Run a coroutine to its end in an event loop of its own, in virtual time; return its result.

    Args:
        coroutine: What a job has returned.
        clock: Virtual time.
        current: See `virtual_loop`.
        shares_time: Likewise.
    """
    loop = VirtualLoop(clock, current, shares_time)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.wind_up()


def virtual_loop(
    clock: VirtualClock, current: Callable[[], Worker | None], shares_time: Callable[[], bool] = _alone
) -> asyncio.AbstractEventLoop:
    """An event loop whose timers fire in virtual time.

    Args:
        clock: Virtual time.
        current: The worker of the calling thread, which parks when the loop waits for what only another copy can do.
            Without one, the loop waits in earnest.
        shares_time: Whether that worker must wait until time has passed, instead of letting it pass.
    """
    return VirtualLoop(clock, current, shares_time)


def is_virtual(loop: asyncio.AbstractEventLoop) -> bool:
    """True if the timers of a loop fire in virtual time."""
    return isinstance(loop, VirtualLoop)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class VirtualLoop(asyncio.SelectorEventLoop):
    """See `virtual_loop`."""

    def __init__(
        self, clock: VirtualClock, current: Callable[[], Worker | None], shares_time: Callable[[], bool] = _alone
    ) -> None:
        self._clock = clock
        self._shares_time = shares_time
        self._start = clock.now()
        self._current = current
        self._executing = 0
        self._processes: list[asyncio.SubprocessTransport] = []
        self._genuine = selectors.DefaultSelector()
        super().__init__(VirtualSelector(self._genuine, self._at_work, self._listen, self._idle))

    def time(self) -> float:
        # Counted from the loop's start: seconds since the epoch, as a float, are too coarse for the loop's own
        # comparisons of nanoseconds, and it would spin without ever reaching a timer.
        return (self._clock.now() - self._start) / _SECOND

    def call_at(self, when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:  # type: ignore[override]  # none is ours
        # A timer that is due within asyncio's tolerance fires at once. Who waits for the rest of a time, in a loop,
        # would then wait for ever: nothing else lets time pass.
        now = self.time()
        return super().call_at(when if when <= now else max(when, now + _SHORTEST), *args, **kwargs)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # newer stubs know more
        if self._current() is not None and (executor is None or isinstance(executor, ThreadPoolExecutor)):
            return self._run_here(func, *args)
        future = super().run_in_executor(executor, func, *args)
        self._executing += 1
        future.add_done_callback(self._executed)
        return future

    def _run_here(self, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """In the worker's own thread: the effects of another could be neither ordered nor killed with the job."""
        future = self.create_future()
        asyncio._set_running_loop(None)  # noqa: SLF001 - documented for event loops; an executor's threads have none
        try:
            result, error = func(*args), None
        except BaseException as raised:  # noqa: BLE001 - whatever it is, an executor hands it on
            result, error = None, raised
        finally:
            asyncio._set_running_loop(self)  # noqa: SLF001
        # Timers that were due meanwhile come first: they may have given it up.
        self.call_at(self.time(), _settle, future, result, error)
        return future

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        # Without the thread that asyncio has for it: only this machine may be reached, whose names are known at once.
        return socket.getaddrinfo(*args, **kwargs)

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._executing += 1  # a thread does it
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._executing -= 1

    async def _make_subprocess_transport(self, *args: Any, **kwargs: Any) -> Any:
        transport = await super()._make_subprocess_transport(*args, **kwargs)  # type: ignore[misc]
        self._processes.append(transport)
        return transport

    def _executed(self, _future: object) -> None:
        self._executing -= 1

    def _at_work(self) -> bool:
        self._processes = [process for process in self._processes if process.get_returncode() is None]
        return bool(self._executing or self._processes)

    def wind_up(self) -> None:
        """Cancel what is left, wait for its end, and close the loop."""
        try:
            for _ in range(_ROUNDS):
                tasks = asyncio.all_tasks(self)
                for task in tasks:
                    task.cancel()
                if tasks:
                    self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.run_until_complete(self.shutdown_asyncgens())
            self.run_until_complete(self.shutdown_default_executor())
        finally:
            self.close()

    def _listen(self, timeout: float | None) -> Ready:
        if len(self._genuine.get_map()) <= OWN_DESCRIPTORS:
            return []
        return self._genuine.select(None) if timeout is None else listen(self, self._genuine, timeout)

    def _idle(self, timeout: float | None) -> Ready:
        worker = self._current()
        if timeout is not None:
            if worker is not None and self._shares_time():
                until = self._clock.now() + round(timeout * _SECOND)
                while worker.wait("the end of its sleep", until):
                    pass
                worker.unblock()
            else:
                self._clock.advance(round(timeout * _SECOND))
            return []
        ready: Ready = [] if worker else self._genuine.select(None)
        while worker and not ready:
            worker.wait("event loop:a task that nobody wakes", None)
            ready = self._genuine.select(ANSWER)  # others have moved; or a thread of the job's own may do it
        if worker:
            worker.unblock()
        return ready
