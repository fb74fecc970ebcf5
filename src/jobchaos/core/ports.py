"""Ports: the contracts between the engine and what is plugged into it.

The engine implements `Control` and `Worker`; probes call them. Stores, probes and clocks implement the rest; the engine
calls them. Neither side knows the other's classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, runtime_checkable

from jobchaos.core.conditions import Clock
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.hang import Hang
from jobchaos.core.leases import Holder
from jobchaos.core.pending import Pending
from jobchaos.core.schedule import Fault
from jobchaos.core.snapshot import Snapshot

T = TypeVar("T")


class Worker(Holder, Protocol):
    """A controlled worker, as a probe sees it. All calls come from the worker's own thread."""

    @property
    def copy(self) -> str:
        """The copy's letter."""

    @property
    def attempt(self) -> int:
        """Which execution of the copy this is, from 1."""

    @property
    def dead(self) -> bool:
        """True once the worker was killed.

        Its cleanup code still runs, but must not change the world: `begin` and `perform` raise again; only what death
        does by itself (rollback, close) may go through without them.
        """

    @property
    def in_effect(self) -> bool:
        """True between a step and its answer."""

    def touch(self, resource: str) -> None:
        """Announce a resource *before* anything happens to it, so that a store can capture it in time.

        Raises:
            BaseException: If the resource must not be restored; the check ends.
        """

    def begin(
        self, effect: Effect, failure: Callable[[], Exception], hang: Callable[[], Hang] | None = None
    ) -> Pending:
        """Arrive at the step before `effect`: wait for the baton, then return, die, or raise `failure()`.

        A probe of a driver that waits in C, or in a lock of its own, gives `hang`, and that is all: under `!hang` the
        time of its timeout passes and its error is raised here (or the call never returns); under `!late` that happens
        in `done`. A driver that waits in Python's sockets needs nothing: the probe of sockets asks there. A coroutine
        cannot wait here: see `ask`.

        Args:
            effect: What is about to happen; the site is filled in when missing.
            failure: Makes the driver's own error for an injected failure.
            hang: Tells, when it matters, what becomes of the call if nobody answers; None if somebody always does, or
                if the waiting is done elsewhere.
        """

    def perform(
        self,
        effect: Effect,
        call: Callable[[], T],
        *,
        failure: Callable[[], Exception],
        outcome: Callable[[T], str] = ...,
        hang: Callable[[], Hang] | None = None,
    ) -> T:
        """`begin`, then `call()`, then `done(outcome(result))`, or `failed` with what `call` raised."""

    def ask(self, hang: Callable[[], Hang]) -> Fault | None:
        """Ask what becomes of a wait that is no step of its own, or is waited for in another way than `begin` knows.

        Called once for each wait, before anything is sent. It never blocks, so a coroutine can call it, too, and then
        await a future that never comes, for as long as the driver would.

        Returns:
            None if it is answered. `HANG`: send nothing, and let the timeout pass (`time_out`). `LATE`: send, take the
            answer, and let the timeout pass. `SLOW`: let nearly all of it pass (`linger`), and take the answer.
        """

    def linger(self, hang: Hang) -> None:
        """Let the time until the very last moment before the timeout pass in virtual time."""

    def time_out(self, hang: Hang) -> None:
        """Let the timeout pass in virtual time, then raise the driver's error; without a timeout, never return."""

    def wait(self, resource: str, deadline: int | None, *, served: bool = False) -> bool:
        """Say that the far side makes us wait (a lock held by another worker), and park.

        Args:
            resource: What is locked.
            deadline: Virtual nanoseconds at which the driver would give up; None if never.
            served: Whether the far side goes on by itself as soon as it can: see `give_way`. Else we have to ask again.

        Returns:
            True when it is worth trying again, False when the deadline has come.
        """

    def unblock(self) -> None:
        """After `wait`: what was waited for has been got. An effect that goes through says so by itself."""

    def give_way(self) -> None:
        """Let others, whom the far side has given what this worker has freed, come to their next steps first."""

    def hold(self, resource: str, *, by_effect: bool = False) -> None:
        """Say that the worker has taken a lock, and keeps it: each effect carries it from now on.

        To have asked for one in vain is `hold` and `let_go`: the next effect depends on that, too.

        Args:
            resource: The lock.
            by_effect: True if an effect has taken it, whose own locks tell so. If it is free again before the next
                effect, nobody else can have met it.
        """

    def let_go(self, resource: str) -> None:
        """Say that the worker has freed a lock; as often as `hold`."""

    def record(self, foreign: Foreign) -> None:
        """A foreign effect whose content was not yet known at `begin` has been applied."""

    def is_known(self, foreign: Foreign) -> bool:
        """True if a foreign effect of the same identity has been applied."""

    def flag(self, what: str) -> None:
        """The red flag has been raised, which tells people that the job was given up."""

    def oddity(self, code: str, message: str, *, placed: bool = False) -> None:
        """Report under a finding code what the verdict must mention; if `placed`, with the line of the job's code."""


class Control(Protocol):
    """The running check, as a probe sees it."""

    @property
    def clock(self) -> Clock:
        """Virtual time."""

    @property
    def shares_time(self) -> bool:
        """True if who sleeps must wait until time has passed, instead of letting it pass."""

    def current(self) -> Worker | None:
        """The worker of the calling thread, or None: then the probe must do nothing at all."""

    def let_go(self) -> None:
        """The calling thread is a copy of a worker, in a process that the job has forked: nobody controls it."""

    def hidden(self) -> AbstractContextManager[None]:
        """What the calling thread does meanwhile is our own doing, and none of the job's: `current` gives None."""

    def check_host(self, host: str) -> None:
        """Refuse hosts other than this machine.

        Raises:
            BaseException: If the host is neither loopback nor allowed; the check ends.
        """


class Probe(Protocol):
    """Turns one library's calls into effects. Installed only while a check runs.

    One that does nothing at most of these calls may have a method `heeds`, which takes the name of one, and returns
    whether it has to be called at all: there are many probes, and runs are short.
    """

    def install(self, control: Control) -> None:
        """Start to watch; patches nothing twice."""

    def remove(self) -> None:
        """Undo `install` completely, also after an error half-way."""

    def resume(self, worker: Worker) -> None:
        """The worker gets the baton. Called in the controller's thread; in a forked worker once, before it begins."""

    def pause(self, worker: Worker) -> None:
        """The worker has given the baton back. Called in the controller's thread; never for a forked worker."""

    def enter(self, worker: Worker) -> None:
        """An attempt begins. Called in the worker's thread."""

    def leave(self, worker: Worker) -> None:
        """An attempt ends. Called in the worker's thread."""

    def doom(self, worker: Worker) -> None:
        """A worker is about to die, and its code to unwind: keep alive what `bury` has to end. Not of a forked one."""

    def bury(self, worker: Worker) -> None:
        """A killed worker's thread has ended: do what the operating system would (roll back, drop locks).

        Never called for a forked worker: there the operating system does it.
        """

    def after_fork(self) -> None:
        """This process was forked to run one attempt: let go of what must not be shared, without closing it."""

    def hand_over(self) -> Any:
        """In a forked worker: what the controller's probe should know from now on, picklable, for `take_over`."""

    def take_over(self, news: Any) -> None:
        """A forked worker hands the baton back, and this over."""

    def reaped(self, copy: str, attempt: int) -> None:
        """The process of a forked worker has ended: see that others notice. Called in the controller's thread."""

    def notes(self) -> Sequence[str]:
        """What a verdict on overlaps must mention. Called at the end of a check."""

    def settle(self) -> None:
        """A run has ended and the stores are about to be read: free what would block them."""


@runtime_checkable
class Store(Protocol):
    """Captures and restores one backend's state.

    The engine calls `capture` once, then any number of `snapshot` and `restore`, then `close`. All calls come while
    no worker moves. A store of something that other processes cannot reach says so with an attribute `in_memory`; one
    of what only one worker can use at a time says why with an attribute `one_at_a_time`, a text; one whose content lies
    in files tells their paths with an attribute `files`; one that knows more than it shows, and lets jobs go on
    otherwise because of it, tells that with an attribute `hidden`, which must be comparable.
    """

    @property
    def name(self) -> str:
        """Short name for reports: `app.db`, `mail`."""

    def covers(self, resource: str) -> bool:
        """True if this store holds that resource."""

    def announce(self, resource: str) -> None:
        """A covered resource is about to be touched, perhaps for the first time."""

    def capture(self) -> None:
        """Remember the present state as the initial one.

        Raises:
            UnsafeRestoreError: If this is not plainly a test resource. Nothing has been changed.
        """

    def restore(self) -> None:
        """Back to the initial state."""

    def snapshot(self) -> Snapshot:
        """The present content. Never changes anything."""

    def close(self) -> None:
        """Let go of connections and temporary files."""


@runtime_checkable
class Returnable(Store, Protocol):
    """A store that can go back to any state it has been in, not only to the initial one.

    One for which `hold` may take longer than a job does says so with an attribute `holds_slowly`.
    """

    def hold(self) -> Any:
        """Remember the present state, apart from the initial one."""

    def put_back(self, held: Any) -> None:
        """Return to a state from `hold`."""


@runtime_checkable
class Volatile(Returnable, Protocol):
    """A store of the process's own memory, which a dying worker's cleanup code can still change."""

    in_process: bool
    """True. Says which stores these are."""


@runtime_checkable
class Ledger(Store, Protocol):
    """A store of foreign effects: it forgets on `restore`, and can undo nothing."""

    def record(self, foreign: Foreign) -> None:
        """A foreign effect has been applied."""


@runtime_checkable
class Recognising(Ledger, Protocol):
    """A ledger that can tell whether a foreign effect is a repetition."""

    def knows(self, foreign: Foreign) -> bool:
        """True if one of the same identity has been recorded."""
