"""ForkWorker: one attempt in a process of its own, which really dies; Forks hires them."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from jobchaos.core.conditions import Conditions
from jobchaos.core.effect import Foreign, Site
from jobchaos.core.ports import Probe
from jobchaos.core.trace import Happening
from jobchaos.engine.channel import Channel
from jobchaos.engine.child import LOCATE, Child
from jobchaos.engine.interrupts import interrupt
from jobchaos.engine.messages import Announce, Announced, Go, Position, Recognise, Report
from jobchaos.engine.outcome import Outcome
from jobchaos.engine.stage import Stage
from jobchaos.engine.standing import Standing
from jobchaos.engine.strand import see_off
from jobchaos.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

_FROZEN = 5000  # objects; Python 3.12 counts some hundred of its own, and who freezes has more than 10,000
_PATIENCE = 1.0  # seconds; for a running Python program to say where it is


class Forks:
    """Hires forked workers, inside a `with` block.

    Args:
        conditions: What workers are handed; what a process was handed has to be told to this one.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.live: dict[int, Channel] = {}
        """Process id to channel."""
        self._thaws = True

    def __call__(self, copy: str, attempt: int, body: Callable[[], object], stage: Stage) -> ForkWorker:
        """See `Hire`."""
        return ForkWorker(copy, attempt, body, stage, self)

    def __enter__(self) -> Self:
        self._thaws = gc.get_freeze_count() < _FROZEN  # else somebody else has frozen it, and wants it so
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thaws:
            gc.unfreeze()


class ForkWorker:
    """The controller's side of a `HiredWorker` that is a process. Killed ones get SIGKILL, and are waited for.

    Args:
        copy: The copy's letter.
        attempt: Which execution of the copy this is, from 1.
        body: Runs the job once.
        stage: What all workers of the check share.
        forks: Who has hired it.
    """

    def __init__(self, copy: str, attempt: int, body: Callable[[], object], stage: Stage, forks: Forks) -> None:
        self.copy = copy
        self.attempt = attempt
        self.standing = Standing()
        self._body = body
        self._stage = stage
        self._forks = forks
        self._process = 0
        self._channel: Channel | None = None
        self._amends: list[Callable[[str], None]] = []

    # --- the runner's side -------------------------------------------------------------------------------------------

    def move(self, guard: float) -> bool:
        """See `HiredWorker.move`.

        Raises:
            UsageError: If the system refuses to fork, or the state is in the memory of this process.
        """
        interrupt()
        channel = self._channel or self._fork()
        try:
            standing = self.standing
            now = self._stage.clock.now()
            go = Go(standing.credit, standing.fault, standing.wait, standing.survey, standing.outage, now)
            channel.send(go)
            while isinstance(message := channel.receive(guard), Announce | Recognise):
                channel.send(self._answered(message))
        except TimeoutError:
            return False
        except EOFError:
            self._died_by_itself()
            return True
        self._take(message)
        if self.standing.dead or self.standing.outcome is not None:
            self._kill()
        if self.standing.dead:
            self.standing.outcome = Outcome("killed")
        return True

    def destroy(self, guard: float) -> bool:
        """See `HiredWorker.destroy`."""
        if self._channel is not None:
            self._kill()
        return True

    def bury(self) -> None:
        """See `HiredWorker.bury`: the operating system has done it."""

    @property
    def position(self) -> Site | None:
        """See `HiredWorker.position`: only the process itself can tell, if it runs Python code."""
        if self._channel is None or LOCATE is None:
            return None
        os.kill(self._process, LOCATE)
        with contextlib.suppress(TimeoutError, EOFError):
            message = self._channel.receive(_PATIENCE)
            if isinstance(message, Position):
                return message.site
        return None

    # --- inside ------------------------------------------------------------------------------------------------------

    def _fork(self) -> Channel:
        _require_forks(self._stage)
        ours, theirs = Channel.pair()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # closed, or replaced by something odd
                stream.flush()  # or the child would write it once more
        see_off()
        gc.freeze()  # the child must not look through all that it inherits, nor finalize any of it
        with _uninterrupted():
            try:
                self._process = _fork()
            except OSError as error:
                ours.close()
                theirs.close()
                raise UsageError(
                    f"the system refuses to start another process ({error}), so that no worker can really be killed. "
                    'Run fewer processes (pytest -n), raise the limit (ulimit -u), or use isolation="thread".'
                ) from error
            if not self._process:
                self._become_child(ours, theirs)
            self._channel = self._forks.live[self._process] = ours
        theirs.close()
        return ours

    def _become_child(self, ours: Channel, theirs: Channel) -> None:
        try:
            for channel in (ours, *self._forks.live.values()):
                channel.close()  # else the others would not notice that the controller is gone
            Child(theirs, self._stage, self._forks.conditions).live(self.copy, self.attempt, self._body)
        finally:
            os._exit(1)

    def _answered(self, question: Announce | Recognise) -> Announced | bool:
        if isinstance(question, Recognise):
            self._record(question.records)
            return self._stage.registry.knows(question.foreign)
        try:
            self._stage.announce(question.resource)
            _require_forks(self._stage)
        except Exception as error:  # noqa: BLE001 - the controller raises it as soon as the worker has stopped
            self._stage.stop(error)
        return Announced(self._stage.error is None)

    def _take(self, report: Report) -> None:
        stage = self._stage
        stage.clock.advance(report.now - stage.clock.now())
        targets: list[Conditions | Probe] = [self._forks.conditions, *stage.heeding("hand_over")]
        for target, news in zip(targets, report.news, strict=True):
            target.take_over(news)
        for position, detail in report.amended.items():
            self._amends[position](detail)
        self._amends += [stage.append(event) for event in report.events]
        self._record(report.records)
        for code, message in report.oddities:
            stage.oddity(code, message)
        if report.error is not None:
            stage.stop(report.error)
        self.standing = report.standing

    def _record(self, records: Iterable[Foreign]) -> None:
        for foreign in records:
            self._stage.registry.record(foreign)

    def _died_by_itself(self) -> None:
        how = _told(self._kill())
        self.standing.dead = True
        self.standing.cause_of_death = f"its process ended by itself, {how}"
        self.standing.outcome = Outcome("killed")
        self._stage.note(Happening.KILLED, self.copy, self.attempt, None, self.standing.cause_of_death)
        self._stage.oddity("JC911", f"ends its own process ({how}), and what it did last is not known: {_ADVICE}")

    def _kill(self) -> int:
        """Make sure that it is dead; return its wait status."""
        channel, self._channel = self._channel, None
        if channel is None:
            return 0
        status = 0
        # Somebody else may have waited for it: a test that waits for any process, or ignores SIGCHLD.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._process, signal.SIGKILL)
            _, status = os.waitpid(self._process, 0)
        del self._forks.live[self._process]
        channel.close()
        for probe in self._stage.heeding("reaped"):
            probe.reaped(self.copy, self.attempt)
        return status


_ADVICE = "a worker process is not the job's to end. Raise an exception, or let the job return"


def _require_forks(stage: Stage) -> None:
    if not hasattr(os, "fork"):
        raise UsageError(
            "a worker that can really be killed needs os.fork, which this system does not have; with "
            'isolation="thread" kills are simulated'
        )
    names = stage.world.in_memory
    if names:
        raise UsageError(
            f"some state is in the memory of this process ({', '.join(names)}), where no other process can change it. "
            'isolation="process" needs it in a file or a database; isolation="thread" simulates kills'
        )


def _fork() -> int:
    if sys.version_info < (3, 12):
        return os.fork()
    with warnings.catch_warnings():
        # Of locks that other threads of the test may hold. The guard time ends a child that waits for one.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        return os.fork()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """No Ctrl-C between the birth of a child and the note of its number."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _told(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"killed by {signal.Signals(number).name if number in list(signal.Signals) else f'signal {number}'}"
    return f"exit status {os.WEXITSTATUS(status)}"
