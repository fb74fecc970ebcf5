"""Child: the forked side of a worker. It runs one attempt, and never returns to what it was forked from."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from jobchaos.core.conditions import Conditions
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Probe
from jobchaos.engine.attempt import Attempt
from jobchaos.engine.channel import Channel
from jobchaos.engine.death import CheckStopped
from jobchaos.engine.messages import Announce, Announced, Go, Position, Recognise, Report
from jobchaos.engine.outcome import describe
from jobchaos.engine.sites import call_site
from jobchaos.engine.stage import Stage
from jobchaos.errors import InternalError, UsageError

LOCATE = getattr(signal, "SIGUSR2", None)
"""The signal that asks a worker where it is. A job may take it for itself; then nobody can tell."""


class Child:
    """Implements `Vessel` and `Registry`: the attempt's way to the controller.

    Args:
        channel: To the controller.
        stage: As inherited; from now on it is this process's own.
        conditions: Likewise.
    """

    def __init__(self, channel: Channel, stage: Stage, conditions: Conditions) -> None:
        self._channel = channel
        self._stage = stage
        self._conditions = conditions
        self._owner = os.getpid()
        self._announced = set(stage.world.announced)
        self._records: list[Foreign] = []
        self._told = 0

    def live(self, copy: str, attempt: int, body: Callable[[], object]) -> NoReturn:
        """Run one attempt, and wait for the end."""
        try:
            self._settle_in()
            self._attempt = Attempt(copy, attempt, self._stage, self)
            self._receive()
            for probe in self._stage.heeding("after_fork"):
                probe.after_fork()
            for probe in self._stage.heeding("resume"):
                probe.resume(self._attempt)
            self._attempt.standing.outcome = self._attempt.run(body).portable()
            self._flush()
            self.die()
        except Exception as error:  # noqa: BLE001 - a mistake of ours, and not to be raised in a copy of the test
            self._stage.stop(InternalError(f"a forked worker failed: {describe(error)}"))
            self._report()
        finally:
            os._exit(1)  # whatever happens: nothing of the test's own may run twice

    # --- Vessel ------------------------------------------------------------------------------------------------------

    def park(self) -> None:
        """See `Vessel.park`."""
        self._report()
        self._receive()

    def die(self) -> None:
        """See `Vessel.die`: everything that it holds is held until the controller has read its last words."""
        self._report()
        self._hear()  # SIGKILL comes instead of an answer

    # --- Registry ----------------------------------------------------------------------------------------------------

    def announce(self, resource: str) -> None:
        """See `Registry.announce`: wait until a store of the controller's has captured it."""
        if resource in self._announced:
            return
        self._say(Announce(resource))
        answer: Announced = self._hear()
        if not answer.go_on:
            raise CheckStopped
        self._announced.add(resource)

    def record(self, foreign: Foreign) -> None:
        """See `Registry.record`."""
        self._records.append(foreign)
        if foreign.message is not None:
            self._stage.world.record(foreign)  # it decides what this very worker does next

    def knows(self, foreign: Foreign) -> bool:
        """See `Registry.knows`: what the controller does not know yet counts, too."""
        self._say(Recognise(foreign, self._take_records()))
        is_known: bool = self._hear()
        return is_known

    # --- inside ------------------------------------------------------------------------------------------------------

    def _settle_in(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            if LOCATE is not None:
                signal.signal(LOCATE, self._locate)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None:
            asyncio._set_running_loop(None)  # noqa: SLF001 - made for this
        self._stage.take_trace()
        self._stage.registry = self
        self._news()  # what others have told is not to be told again

    def _receive(self) -> None:
        go: Go = self._hear()
        standing = self._attempt.standing
        standing.credit, standing.fault, standing.wait, standing.survey = go.credit, go.fault, go.wait, go.survey
        standing.outage = go.outage
        self._stage.clock.advance(go.now - self._stage.clock.now())

    def _report(self) -> None:
        events, amended = self._stage.news(self._told)
        self._told += len(events)
        self._say(
            Report(
                standing=self._attempt.standing,
                events=events,
                amended=amended,
                oddities=self._stage.take_oddities(),
                records=self._take_records(),
                error=_portable(self._stage.error),
                now=self._stage.clock.now(),
                news=self._news(),
            )
        )

    def _take_records(self) -> tuple[Foreign, ...]:
        records, self._records = tuple(self._records), []
        return records

    def _news(self) -> tuple[Any, ...]:
        sources: list[Conditions | Probe] = [self._conditions, *self._stage.heeding("hand_over")]
        return tuple(source.hand_over() for source in sources)

    def _say(self, message: object) -> None:
        if os.getpid() != self._owner:
            os._exit(0)  # a process that the job has forked itself: it has no say here
        try:
            self._channel.send(message)
        except EOFError:
            os._exit(1)  # the controller is gone

    def _hear(self) -> Any:
        try:
            return self._channel.receive()
        except EOFError:
            os._exit(1)

    def _locate(self, _signal: int, frame: FrameType | None) -> None:
        self._channel.send(Position(call_site(frame)))

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):  # the controller has flushed them before it forked
            with contextlib.suppress(Exception):
                stream.flush()


def _portable(error: Exception | None) -> Exception | None:
    if error is None:
        return None
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - a class of the user's may raise anything
        kind = UsageError if isinstance(error, UsageError) else InternalError
        return kind(str(error) if kind is UsageError else describe(error))
    return error
