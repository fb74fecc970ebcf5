"""Dialogue: what passes between a job's client, us and the server when the client sends something.

It is written without input and output, for clients that wait and those that await: it yields commands to be sent, and
is sent the replies. What the client is to read in the end is queued in its link.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.redis_commands import SILENT, is_vain
from jobchaos.probes.redis_leases import Leases
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_places import lefts as lefts_of
from jobchaos.probes.redis_polling import Polling
from jobchaos.probes.redis_protocol import Command, name_of, outcome
from jobchaos.probes.redis_scripts import Scripts
from jobchaos.probes.redis_streams import with_id
from jobchaos.probes.redis_time import ANCHOR_AGAIN, PREPARE, Fix, in_virtual_time, script
from jobchaos.probes.redis_unit import Unit, published

Steps = Generator[Sequence[Command], list[Any], Any]
_MULTI, _EXEC = (b"MULTI",), (b"EXEC",)
_SECOND = 10**9
_MICROSECOND = 1000


class Dialogue:
    """The dialogues of one check.

    Args:
        control: The check.
        scripts: What is known of scripts.
    """

    def __init__(
        self,
        control: Control,
        scripts: Scripts,
    ) -> None:
        self._control = control
        self._scripts = scripts
        self._leases = Leases()
        self._polling = Polling(control)
        self._looked_at: set[str] = set()
        self._timed: set[str] = set()
        self.forked = False
        """True in a forked worker: others may have given any key a time to live."""

    def forget(self, worker: Worker) -> None:
        """An attempt has ended."""
        self._leases.forget(worker)
        self._polling.forget(worker)

    def run(
        self, link: Link, worker: Worker, commands: Iterable[Command], failure: Callable[[], Exception]
    ) -> Generator[Sequence[Command], list[Any], None]:
        """What a client sends.

        Args:
            link: Its connection.
            worker: Who it belongs to.
            commands: What it sends.
            failure: Makes the client's own error for an injected failure.
        """
        for command in commands:
            link.replies.append((yield from self._answer(link, worker, command, failure)))

    def _answer(self, link: Link, worker: Worker, command: Command, failure: Callable[[], Exception]) -> Steps:
        name = name_of(command)
        if link.queued is None:
            if name == "MULTI":
                link.queued = []
                return b"OK"
            if name in SILENT:
                return (yield from self._silently(link, command))
            unit = Unit.of((command,), link, self._scripts, is_transaction=False)
            reply = yield from self._step(link, worker, unit, failure)
            if name == "WATCH" and not isinstance(reply, Exception):
                link.watched |= dict.fromkeys(unit.paths)
            return reply
        if name == "EXEC":
            queued, link.queued = link.queued, None
            unit = Unit.of([queued_one for queued_one, _ in queued], link, self._scripts, is_transaction=True)
            try:
                return (yield from self._step(link, worker, unit, failure, [place for _, place in queued]))
            finally:
                link.watched.clear()
        if name == "DISCARD":
            link.queued = None
            link.watched.clear()
            yield [(b"UNWATCH",)]
            return b"OK"
        link.queued.append((command, len(link.replies)))
        return b"QUEUED"

    def _silently(self, link: Link, command: Command) -> Steps:
        """What is no step."""
        name = name_of(command)
        if name == "TIME" and not link.in_memory:
            seconds, rest = divmod(self._control.clock.now(), _SECOND)
            return [b"%d" % seconds, b"%d" % (rest // _MICROSECOND)]
        if name == "SCRIPT" and len(command) > 2:
            self._scripts.learn(command[2])
        (reply,) = yield [command]
        if not isinstance(reply, Exception):
            if name == "SELECT":
                link.db = int(command[1])
            elif name in ("UNWATCH", "RESET"):
                link.watched.clear()
        return reply

    def _step(
        self,
        link: Link,
        worker: Worker,
        unit: Unit,
        failure: Callable[[], Exception],
        places: Sequence[int] = (),
    ) -> Steps:
        for resource in unit.reaches(link):
            worker.touch(resource)
        if not (link.in_memory or worker.dead):
            yield from self._look_at(unit)
        yield from self._polling.arrive(worker, unit)
        pending = worker.begin(unit.effect(link), failure)
        try:
            reply, lefts = yield from self._patiently(link, worker, unit, places)
        except Exception as error:
            pending.failed(error)
            raise
        if isinstance(reply, Exception):
            pending.failed(reply)
        elif unit.is_transaction and reply is None:
            pending.failed(WatchedKeyChangedError("another client has changed a watched key"))
        else:
            for message in filter(None, map(published, unit.commands)):
                worker.record(Foreign("pubsub", ("channel", "message"), message))
            pending.done(outcome(reply), changed=unit.is_transaction or not is_vain(unit.commands[0], reply))
            if self._leases.concern(worker, unit):
                lefts = lefts_of(link, unit) if link.in_memory else lefts
                self._leases.update(worker, unit, link, reply, lefts)
                self._polling.answered(worker, unit, reply, lefts)
        return reply

    def _look_at(self, unit: Unit) -> Generator[Sequence[Command], list[Any], None]:
        """Find out which keys had a time to live before the job came."""
        new = [(key, path) for key, path in zip(unit.keys, unit.paths, strict=True) if path not in self._looked_at]
        if new and not self.forked:
            replies = yield [(b"PEXPIRETIME", key) for key, _ in new]
            self._looked_at |= {path for _, path in new}
            self._timed |= {path for (_, path), at in zip(new, replies, strict=True) if isinstance(at, int) and at >= 0}

    def _patiently(
        self, link: Link, worker: Worker, unit: Unit, places: Sequence[int]
    ) -> Generator[Sequence[Command], list[Any], tuple[Any, Mapping[str, int]]]:
        """Ask until there is an answer, or the time that the job wants to wait for one is over."""
        seconds = unit.patience
        deadline: int | None = None
        if seconds is not None and link.watched:
            worker.oddity("JC917", "waits for a key while it watches others: from then on they are not watched")
            link.watched.clear()
        while True:
            reply, lefts = yield from self._ask(link, unit, places)
            if seconds is None or reply is not None:
                return reply, lefts
            if deadline is None and seconds != float("inf"):
                deadline = self._control.clock.now() + round(seconds * _SECOND)
            if not worker.wait(unit.paths[0], deadline):
                return reply, lefts

    def _ask(
        self, link: Link, unit: Unit, places: Sequence[int]
    ) -> Generator[Sequence[Command], list[Any], tuple[Any, Mapping[str, int]]]:
        now, elapsed = self._control.clock.now(), self._control.clock.elapsed()
        commands: list[Command] = list(unit.commands)
        fixes: list[Fix | None] = [None] * len(commands)
        before: list[Command] = []
        after: list[Command] = []
        if not link.in_memory:
            for at, command in enumerate(commands):
                identified = yield from with_id(command, now)
                commands[at], fixes[at] = in_virtual_time(identified, now, elapsed)
            before, after = self._around(unit, elapsed)
        wrapped = unit.is_transaction or unit.patience is not None or (bool(after) and not link.watched)
        batch = [*before, *commands, *after]
        replies = yield [_MULTI, *batch, _EXEC] if wrapped else batch
        if wrapped:
            if not isinstance(replies[-1], list):
                return self._refused(link, unit, replies, places, len(before)), {}
            replies = replies[-1]
        lefts = self._told(unit, replies[-1]) if after else {}
        answers = replies[len(before) : len(before) + len(commands)]
        answers = [answer if fix is None else fix(answer) for answer, fix in zip(answers, fixes, strict=True)]
        return (answers if unit.is_transaction else answers[0]), lefts

    def _around(self, unit: Unit, elapsed: int) -> tuple[list[Command], list[Command]]:
        """What runs before and after a unit, so that it meets its keys as they are in virtual time."""
        keys = () if unit.is_wide else unit.keys
        if not keys and not unit.is_wide:
            return [], []
        timed = self.forked or (bool(self._timed) if unit.is_wide else any(path in self._timed for path in unit.paths))
        loosen = unit.sets_time or (timed and unit.writes)
        before = [script(PREPARE, keys, elapsed, loosen=loosen)] if timed or loosen else []
        return before, [script(ANCHOR_AGAIN, keys, elapsed)] if loosen else []

    def _told(self, unit: Unit, lefts: Any) -> Mapping[str, int]:
        """What the keys have left after a unit."""
        if not isinstance(lefts, list) or unit.is_wide:
            self._timed.add("")  # some key, perhaps
            return {}
        told = dict(zip(unit.paths, lefts, strict=True))
        self._timed |= {path for path, left in told.items() if left >= 0}
        self._timed -= {path for path, left in told.items() if left < 0}
        return told

    @staticmethod
    def _refused(link: Link, unit: Unit, replies: list[Any], places: Sequence[int], skipped: int) -> Any:
        """Why a transaction was not carried out: an error, or None if a watched key was changed."""
        errors = replies[1 + skipped : 1 + skipped + len(unit.commands)]
        for error, place in zip(errors, places, strict=False):
            if isinstance(error, Exception) and place < len(link.replies) and link.replies[place] == b"QUEUED":
                link.replies[place] = error
        if unit.is_transaction:
            return replies[-1]
        return next((error for error in errors if isinstance(error, Exception)), replies[-1])


class WatchedKeyChangedError(Exception):
    """EXEC has done nothing."""
