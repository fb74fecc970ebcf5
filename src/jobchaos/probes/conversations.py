"""ConversationProbe: what a job says to a server in a protocol that no probe knows.

It may change something there that nobody compares: a key in memcached, a message in a queue, a file on an FTP server.
So the server is a resource: without a store of the user's for it, the verdict is inconclusive, and with one, what is
sent is a step. Libraries whose requests are seen elsewhere may say what they like, and so may those that only log.
"""

# ruff: noqa: SLF001 - asyncio's transports have no other seam

from __future__ import annotations

import errno
import functools
import socket
import sys
import weakref
from asyncio import selector_events
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.hang import name_of
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Control, Store, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.exchange import is_faked

_UNDERSTOOD = (
    *("http.", "urllib3.", "requests.", "httpcore.", "httpx.", "aiohttp.", "smtplib.", "aiosmtplib.", "redis."),
    *("valkey.", "pymysql.", "asyncpg.", "pg8000.", "kombu.", "amqp.", "logging.", "multiprocessing."),
)
_Transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class ConversationProbe(BaseProbe):
    """Makes a step of what is sent to a named peer on a stream, up to the first bytes that come back.

    Args:
        stores: The user's.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores
        self._patches = Patches()
        self._control: Control | None = None
        self._understood: weakref.WeakSet[Any] = weakref.WeakSet()
        self._said: weakref.WeakKeyDictionary[Any, tuple[Worker, Pending]] = weakref.WeakKeyDictionary()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        ssl = sys.modules.get("ssl")
        for owner in (socket.socket, *((ssl.SSLSocket,) if ssl is not None else ())):
            for name in ("send", "sendall"):
                self._wrap(owner, name, self._sending(lambda sock: sock))
            for name in ("recv", "recv_into", "close"):
                self._wrap(owner, name, self._listening)
        if ssl is not None:
            self._wrap(ssl.SSLSocket, "read", self._listening)
        for name in ("write", "writelines"):
            self._wrap(_Transport, name, self._sending(lambda transport: transport._sock))
        self._wrap(_Transport, "_read_ready", self._receiving)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._said.clear()
        self._control = None

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`: nobody has listened."""
        for speaker, (who, _) in list(self._said.items()):
            if who is worker:
                self._heard(speaker)

    def _wrap(self, owner: Any, name: str, replacement: Callable[..., Any]) -> None:
        genuine = getattr(owner, name)

        @functools.wraps(genuine)
        def watched(speaker: Any, *args: Any, **kwargs: Any) -> Any:
            worker = None if self._control is None else self._control.current()
            if worker is None:
                return genuine(speaker, *args, **kwargs)
            return replacement(worker, speaker, functools.partial(genuine, speaker, *args, **kwargs))

        self._patches.put(owner, name, watched)

    def _sending(self, socket_of: Callable[[Any], Any]) -> Callable[..., Any]:
        def send(worker: Worker, speaker: Any, call: Callable[[], Any]) -> Any:
            if speaker in self._said or worker.in_effect or is_faked():
                return call()
            line = socket_of(speaker)
            peer = "" if line in self._understood else _peer(line)
            if peer and _is_understood(speaker):
                self._understood.add(line)  # what a transport could not send at once, the loop sends by it
                peer = ""
            if not peer:
                return call()
            self._require_host(peer)
            resource = f"socket:{peer}"
            worker.touch(resource)
            if not any(store.covers(resource) for store in self._stores):
                return call()
            effect = Effect("socket", f"SEND to {name_of(resource)}", (Touch(resource, Mode.WRITE),), durable=True)
            pending = worker.begin(effect, lambda: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
            self._said[speaker] = worker, pending
            return self._carried_out(speaker, call)

        return send

    def _require_host(self, peer: str) -> None:
        host, colon, _ = peer.rpartition(":")
        if self._control is not None and colon and not peer.startswith("/"):
            self._control.check_host(host)

    def _listening(self, _worker: Worker, speaker: Any, call: Callable[[], Any]) -> Any:
        result = self._carried_out(speaker, call)
        self._heard(speaker)
        return result

    def _receiving(self, _worker: Worker, transport: Any, call: Callable[[], Any]) -> None:
        try:
            self._heard(transport)
        except ConnectionError as error:  # the schedule has the answer lost: whoever waits for it is told
            transport._force_close(error)
        else:
            call()

    def _carried_out(self, speaker: Any, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            if speaker in self._said:
                self._said.pop(speaker)[1].failed(error)
            raise

    def _heard(self, speaker: Any) -> None:
        if speaker in self._said:
            self._said.pop(speaker)[1].done()


def _peer(sock: Any) -> str:
    """Whom a socket is connected to; empty if that is nobody in particular, or if it is not a stream."""
    try:
        address = sock.getpeername() if sock.type == socket.SOCK_STREAM else ""
    except (AttributeError, OSError):
        return ""
    return ":".join(map(str, address[:2])) if isinstance(address, tuple) else str(address or "")


def _is_understood(speaker: Any) -> bool:
    protocol = type(getattr(speaker, "_protocol", None))  # one in C, as asyncpg's, has no frame
    if f"{protocol.__module__}.".startswith(_UNDERSTOOD):
        return True
    frame = sys._getframe(1)  # the documented way to look at frames
    while frame is not None:
        if f"{frame.f_globals.get('__name__', '')}.".startswith(_UNDERSTOOD):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
