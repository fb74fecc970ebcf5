"""Workbench: clock, world, probes and runner of one check, chosen and put together."""

from __future__ import annotations

import contextlib
import functools
import string
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from jobchaos.clock.freeze import Frozen
from jobchaos.clock.loop import run_coroutine
from jobchaos.clock.shared_loop import SharedLoop
from jobchaos.clock.virtual import VirtualClock
from jobchaos.conditions import RunConditions, start_time
from jobchaos.core.job import Job
from jobchaos.core.ports import Probe, Store
from jobchaos.core.project import is_project_file
from jobchaos.core.settings import Settings
from jobchaos.core.terms import after_kill, lock_of
from jobchaos.engine.copies import CopyState
from jobchaos.engine.crowd import CrowdRunner
from jobchaos.engine.delivery import Delivery
from jobchaos.engine.fork import Forks
from jobchaos.engine.interrupts import deferred
from jobchaos.engine.queue import Queue
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.tasks import Tasks
from jobchaos.engine.worker import Hire, ThreadWorker
from jobchaos.engine.world import World
from jobchaos.errors import TooLargeError, UsageError
from jobchaos.followed import Followed
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.conversations import ConversationProbe
from jobchaos.probes.entropy import EntropyProbe
from jobchaos.probes.jitter import JitterProbe
from jobchaos.probes.lines import LineProbe
from jobchaos.probes.logs import LogProbe
from jobchaos.stores.automatic import store_for
from jobchaos.stores.memory import MemoryStore
from jobchaos.stores.reachable import reachable
from jobchaos.watching import probes_for


class Workbench:
    """Where the jobs of one check are run.

    Args:
        jobs: One job, of which all copies are copies; or several, of which copy A is the first, B the second.
        stores: The user's stores.
        settings: The check's settings.
        probes: The user's probes.

    Attributes:
        world: All stores.
        lines: True if lines are steps.
        is_quiet: True while what the job logs is dropped.
        has_garbage: True once it is known that the job leaves none of its temporary files, unless it dies or fails.
    """

    def __init__(
        self, jobs: Sequence[Job], stores: Sequence[Store], settings: Settings, probes: Sequence[Probe] = ()
    ) -> None:
        for probe in probes:
            _require_probe(probe)
        self._own_probes = probes
        self.world = World(functools.partial(store_for, allow=settings.allow))
        self.lines = settings.granularity == "line"
        self.is_quiet = self.has_garbage = False
        self._jobs = jobs
        self._followed = Followed(jobs, settings.delivery) if settings.follow else None
        self._explicit = [*([self._followed.backlog] if self._followed else ()), *stores]
        self._settings = settings
        self._clock = VirtualClock(start_time(settings))
        self._stage = Stage(self._clock, self.world, settings.allow, round(settings.horizon * 10**9))
        self._bindings = Bindings()
        self._entropy = EntropyProbe(self._bindings)
        self._conditions = RunConditions(self._clock, self._entropy, self._clock.now(), settings.seed)
        self._forks = Forks(self._conditions)
        self._unrestored: list[str] = []

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Bind the stores and install the probes. After an error, the world is as it was."""
        with deferred(), contextlib.ExitStack() as during:
            for job in self._jobs:
                during.enter_context(job.during())
            with self._opened():
                yield

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        try:
            for store in self._explicit:
                self.world.add(store)
            for store in reachable(*(job.body for job in self._jobs)):
                if not self._is_given(store):
                    self._remember(store)
            frozen = Frozen(self._clock, self._stage.current)
            with self._forks, frozen, self._stage.watching(self._probes()):
                yield
        except BaseException:
            self.world.give_back()
            raise
        finally:
            self.world.close()

    def runner(self) -> Runner:
        """What explores: in threads, or in processes if the settings say so."""
        if self._settings.granularity == "await":
            return self._runner(Tasks(functools.partial(SharedLoop, self._clock)), _as_it_is)
        return self._runner(self._forks if self._settings.isolation == "process" else ThreadWorker)

    def crowd_runner(self) -> Runner:
        """One for many copies that sleep at the same time."""
        return self._runner(ThreadWorker, kind=CrowdRunner)

    def real_runner(self) -> Runner:
        """One whose workers are processes that really die."""
        return self._runner(self._forks)

    @property
    def in_turn(self) -> bool:
        """True if one lock keeps all copies apart, and with them what they enqueue."""
        if self._followed is not None:
            return False
        locks = {lock_of(job.terms, self._settings.delivery) for job in self._jobs}
        return len(locks) == 1 and "" not in locks

    @property
    def granularity(self) -> str:
        """What the steps are: `effect`, `line` or `await`."""
        if self._settings.granularity == "await":
            return "await"
        return "line" if self.lines else "effect"

    def notes(self) -> list[str]:
        """What the probes have to say of overlaps."""
        return [note for probe in self._stage.probes for note in probe.notes()]

    def remarks(self) -> list[str]:
        """What is to be said of the jobs that the jobs have enqueued, and of memory that is left alone."""
        return [*(self._followed.notes() if self._followed else ()), *self._unrestored]

    def look_closer(self, at_memory: bool) -> bool:
        """Make lines steps from now on, unless awaits are.

        Args:
            at_memory: Whether the process's memory becomes part of the state, too.

        Returns:
            True if lines are steps now.
        """
        if not self.lines and self._settings.granularity != "await":
            self.lines = True
            self._stage.add(LineProbe(is_project_file))
        if at_memory:
            self.world.promote_memory()
        return self.lines

    def _is_given(self, store: Store) -> bool:
        """True if the user has named that very object: then it is state, and shown once."""
        found = store.targets if isinstance(store, MemoryStore) else ()
        return any(one is target for one in found for target in self._targets)

    @property
    def _targets(self) -> list[object]:
        """The objects in memory that the user has named."""
        return [target for store in self._explicit if isinstance(store, MemoryStore) for target in store.targets]

    def _remember(self, store: Store) -> None:
        try:
            self.world.remember(store)
        except TooLargeError as error:
            self._unrestored.append(f"{error}. It is not restored between runs, nor compared")

    def _runner(self, hire: Hire, run: RunsCoroutine | None = None, kind: type[Runner] = Runner) -> Runner:
        shared = self._targets
        in_a_loop_of_its_own = functools.partial(
            run_coroutine,
            clock=self._clock,
            current=self._stage.current,
            shares_time=lambda: self._stage.shares_time,
        )

        def deliver(job: Job) -> Callable[[], object]:
            return Delivery(job, shared, run or in_a_loop_of_its_own).run

        runs = [self._run(job, deliver) for job in self._jobs]
        by_letter = dict(zip(string.ascii_uppercase, runs, strict=False)) if len(runs) > 1 else {}
        return kind(
            self._stage,
            lambda letter: by_letter.get(letter, runs[0])[0],
            self._conditions,
            self._settings.attempts,
            self._settings.guard,
            hire,
            lambda letter: by_letter.get(letter, runs[0])[1](letter),
        )

    def _run(
        self, job: Job, deliver: Callable[[Job], Callable[[], object]]
    ) -> tuple[Callable[[], object], Callable[[str], CopyState]]:
        """What runs a job, and makes the message of a copy of it."""
        body, delivery = self._queued(job, deliver(job)), self._settings.delivery
        if self._followed is None:
            lock, fate = lock_of(job.terms, delivery), after_kill(job.terms, delivery)
            return body, lambda letter: CopyState(letter, fate=lambda _: fate, lock=lock)
        following = self._followed.following(job, body, deliver, self._stage)
        return following.deliver, lambda letter: CopyState(letter, fate=following.fate)

    def _queued(self, job: Job, body: Callable[[], object]) -> Callable[[], object]:
        """A body of a job, with what its queue does if it fails; a job system's own does so by itself."""
        self._stage.fatal = job.retrying.fatal
        has_queue = job.retrying.deliveries is not None and job.terms is None
        return Queue(body, job.retrying, self._stage).deliver if has_queue else body

    def _share(self) -> float | None:
        """Where libraries that retry within a job are to draw their delays; None where they please."""
        own = self._jobs[0].retrying.own
        if own is None or not self._stage.fails:
            return None
        return own.share(late=self._stage.late)

    def _probes(self) -> list[Probe]:
        probes = probes_for(
            self._jobs,
            self._clock,
            self._stage,
            self._bindings,
            self._entropy,
            self._settings,
            lambda: self.has_garbage,
        )
        heard = LogProbe(lambda: self.is_quiet)  # first: a red flag counts, whether it is written or not
        probes = [heard, *self._own_probes, *probes]  # ours last: they look for names of what they replace
        probes += JitterProbe(self._share), ConversationProbe(self._explicit)
        return [*probes, LineProbe(is_project_file)] if self.lines else probes


def _require_probe(probe: object) -> None:
    missing = [name for name in vars(Probe) if not name.startswith("_") and not callable(getattr(probe, name, None))]
    if missing:
        raise UsageError(f"{probe!r} is not a probe: it has no {', '.join(missing)}. Derive its class from BaseProbe.")


RunsCoroutine = Callable[[Coroutine[Any, Any, Any]], object]


def _as_it_is(coroutine: Coroutine[Any, Any, Any]) -> object:
    """For who runs it in a loop that others live in, too."""
    return coroutine
