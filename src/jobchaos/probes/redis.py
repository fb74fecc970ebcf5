"""RedisProbe: each command of redis-py, or transaction of commands, is a step; so it is with valkey-py and fakeredis.

Every client sends what it has packed through its connection's `send_packed_command`, and then calls `read_response`
for each reply. So the first one is where all happens, replies included, and the second hands them out.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.redis_connections import Loops, drop, errors_of, is_awaited, require_own, socket_of, unfit
from jobchaos.probes.redis_dialogue import Dialogue
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_places import Places
from jobchaos.probes.redis_protocol import Command, commands_in, packed
from jobchaos.probes.redis_scripts import Scripts

_PACKAGES = ("redis", "valkey")


class RedisProbe(BaseProbe):
    """Does nothing unless a client library has been imported."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._patched: set[tuple[type, str]] = set()
        self._searched = 0  # the number of modules that were loaded then
        self._places = Places()
        self._links: weakref.WeakKeyDictionary[Any, Link] = weakref.WeakKeyDictionary()
        self._used: dict[Any, None] = {}  # connections that workers have used in this run
        self._scripts = Scripts()
        self._control: Control | None = None
        self._dialogue: Dialogue | None = None
        self._loops = Loops()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._dialogue = Dialogue(control, self._scripts)
        subscribe("import", self._imported)
        self._patches.on_undo(lambda: unsubscribe("import", self._imported))
        self._patch()

    def remove(self) -> None:
        """See `Probe.remove`."""
        self.settle()
        self._patches.undo()
        self._patched.clear()
        self._links.clear()
        self._control = self._dialogue = None

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`: a library may have been imported since."""
        if len(sys.modules) != self._searched:
            self._patch()

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        if self._dialogue is not None:
            self._dialogue.forget(worker)

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: the operating system would close the dead worker's connections."""
        for connection, link in list(self._links.items()):
            if link.worker is worker and connection in self._links:
                self._close(connection)

    def settle(self) -> None:
        """See `Probe.settle`: few jobs close their client, and none that is killed. The next run connects anew."""
        for connection in self._used:
            self._close(connection)
        self._used.clear()

    def after_fork(self) -> None:
        """See `Probe.after_fork`."""
        self._used.clear()
        if self._dialogue is not None:
            self._dialogue.forked = True

    # --- patches -----------------------------------------------------------------------------------------------------

    def _imported(self, _event: str, _args: tuple[Any, ...]) -> None:
        """A library that the job itself imports is watched before it is used: other imports follow that of it."""
        if self._control is not None and self._control.current() is not None:
            self._patch()

    def _patch(self) -> None:
        self._searched = len(sys.modules)
        for package in _PACKAGES:
            for module in (f"{package}.connection", f"{package}.asyncio.connection"):
                base = getattr(sys.modules.get(module), "AbstractConnection", None)
                if base is not None:
                    for owner in {owner for kind in _subclasses(base) for owner in kind.__mro__}:
                        self._replace(owner)

            core = sys.modules.get(f"{package}.commands.core")
            for kind in (getattr(core, name, None) for name in ("Script", "AsyncScript")):
                if kind is not None and (kind, "__call__") not in self._patched:
                    self._patched.add((kind, "__call__"))
                    self._patches.set(kind, "__call__", self._learning(vars(kind)["__call__"]))

    def _learning(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        """A script object sends its hash first, and its text only if the server does not know it."""

        def call(script: Any, *args: Any, **kwargs: Any) -> Any:
            self._scripts.learn(script.script)
            return genuine(script, *args, **kwargs)

        return call

    def _replace(self, owner: type) -> None:
        for name, sync, waiting in (
            ("send_packed_command", self._send, self._send_awaiting),
            ("read_response", self._read, self._read_awaiting),
        ):
            genuine = vars(owner).get(name)
            if (owner, name) in self._patched or not inspect.isfunction(genuine) or _is_interface(owner):
                continue
            self._patched.add((owner, name))
            replacement = waiting if inspect.iscoroutinefunction(genuine) else sync
            self._patches.set(owner, name, replacement(genuine))

    def _send(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def send_packed_command(connection: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
            worker, link = self._controlled(connection)
            commands = None if worker is None or link is None else self._controllable(worker, link, connection, command)
            if worker is None or link is None or commands is None:
                return genuine(connection, command, *args, **kwargs)
            try:
                return self._talk(connection, link, worker, commands)
            except BaseException:
                link.genuine = False
                self._close(connection)  # as the genuine one does
                raise

        return send_packed_command

    def _send_awaiting(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        async def send_packed_command(connection: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
            worker, link = self._controlled(connection)
            commands = None if worker is None or link is None else self._controllable(worker, link, connection, command)
            if worker is None or link is None or commands is None:
                return await genuine(connection, command, *args, **kwargs)
            try:
                await self._loops.keep(connection)
                return await self._talk_awaiting(connection, link, worker, commands)
            except BaseException:
                link.genuine = False
                self._close(connection)
                raise

        return send_packed_command

    def _read(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def read_response(connection: Any, *args: Any, **kwargs: Any) -> Any:
            link = self._links.get(connection)
            if link is None or link.genuine or not link.replies:
                return genuine(connection, *args, **kwargs)
            return _handed_out(connection, link, *args, **kwargs)

        return read_response

    def _read_awaiting(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        async def read_response(connection: Any, *args: Any, **kwargs: Any) -> Any:
            link = self._links.get(connection)
            if link is None or link.genuine or not link.replies:
                return await genuine(connection, *args, **kwargs)
            return _handed_out(connection, link, *args, **kwargs)

        return read_response

    # --- what is done instead ----------------------------------------------------------------------------------------

    def _controlled(self, connection: Any) -> tuple[Worker | None, Link | None]:
        worker = None if self._control is None else self._control.current()
        if worker is None:
            return None, None
        link = self._links.get(connection)
        if link is None:
            link = self._links[connection] = self._places.link(connection)
        return (None, None) if link.genuine else (worker, link)

    def _controllable(self, worker: Worker, link: Link, connection: Any, command: Any) -> list[Command] | None:
        """The commands in what is being sent; None if they cannot be controlled, and that was said."""
        require_own(connection, link, worker)
        link.meet(socket_of(connection), int(connection.db or 0))
        link.worker = worker
        self._used[connection] = None
        commands = list(commands_in(command))
        why = unfit(connection, link, commands)
        if why:
            worker.touch(link.address(link.database))  # it may do anything there: is it for tests, and what is there?
            worker.oddity("JC917", why)
        return None if why else commands

    def _talk(self, connection: Any, link: Link, worker: Worker, commands: Sequence[Command]) -> None:
        assert self._dialogue is not None  # noqa: S101 - installed
        steps = self._dialogue.run(link, worker, commands, errors_of(connection))
        batch = next(steps, None)
        while batch is not None:
            try:
                link.genuine = True
                connection.send_packed_command([packed(batch)], check_health=False)
                link.socket = socket_of(connection)
                replies = [_raw_reply(connection) for _ in batch]
            except Exception as error:  # noqa: BLE001 - the dialogue tells the trace, and raises it
                link.genuine = False
                batch = _go_on(steps.throw, error)
            else:
                link.genuine = False
                batch = _go_on(steps.send, replies)

    async def _talk_awaiting(self, connection: Any, link: Link, worker: Worker, commands: Sequence[Command]) -> None:
        assert self._dialogue is not None  # noqa: S101 - installed
        steps = self._dialogue.run(link, worker, commands, errors_of(connection))
        batch = next(steps, None)
        while batch is not None:
            try:
                link.genuine = True
                await connection.send_packed_command([packed(batch)], check_health=False)
                link.socket = socket_of(connection)
                replies = [await _raw_reply_awaiting(connection) for _ in batch]
            except Exception as error:  # noqa: BLE001 - as above
                link.genuine = False
                batch = _go_on(steps.throw, error)
            else:
                link.genuine = False
                batch = _go_on(steps.send, replies)

    def _close(self, connection: Any) -> None:
        link = self._links.get(connection)
        if link is not None:
            link.meet(None, link.db)
        if is_awaited(connection):
            drop(connection)
        else:
            connection.disconnect()


def _go_on(step: Callable[[Any], Any], value: Any) -> Any:
    """What a dialogue yields next; None at its end."""
    try:
        return step(value)
    except StopIteration:
        return None


def _raw_reply(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except errors_of(connection).reply as error:
        return error


async def _raw_reply_awaiting(connection: Any) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except errors_of(connection).reply as error:
        return error


def _handed_out(connection: Any, link: Link, disable_decoding: bool = False, *_: Any, **__: Any) -> Any:
    """The next reply that is waiting for the client, as the genuine `read_response` would give it."""
    reply = link.replies.popleft()
    if isinstance(reply, Exception):
        raise reply
    return reply if disable_decoding else _decoded(connection.encoder, reply)


def _decoded(encoder: Any, reply: Any) -> Any:
    if isinstance(reply, bytes):
        return encoder.decode(reply)
    if isinstance(reply, list):
        return [_decoded(encoder, item) for item in reply]
    if isinstance(reply, dict):
        return {_decoded(encoder, key): _decoded(encoder, item) for key, item in reply.items()}
    if isinstance(reply, set):
        return {_decoded(encoder, item) for item in reply}
    return reply


def _subclasses(kind: type) -> Iterator[type]:
    yield kind
    subclasses: list[type] = kind.__subclasses__()
    for below in subclasses:
        yield from _subclasses(below)


def _is_interface(owner: type) -> bool:
    return owner.__name__.endswith("Interface")
