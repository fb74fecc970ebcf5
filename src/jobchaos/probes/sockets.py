"""SocketProbe: every blocking socket of Python's may meet a far side that does not answer.

The seam is below all libraries that wait in `socket.socket` (http.client, urllib3, smtplib, ftplib, redis-py, PyMySQL):
what is in force here is the timeout that their sockets really have, and the error that this raises becomes each
library's own on the way up, as it would in earnest.

It passes in virtual time. How long a server that does answer takes in real time says nothing of the job (it is a test
server, on a machine that may be busy), so a real wait is never shorter than `_PATIENCE`.

One wait is to connect, or an exchange: what is sent, up to the first bytes that come back. How many pieces the rest
comes in is chance.
"""

from __future__ import annotations

import functools
import socket
import sys
import weakref
from collections.abc import Callable
from typing import Any, Literal

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Control, Worker
from jobchaos.core.schedule import Fault
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.enduring import waited
from jobchaos.probes.exchange import is_faked
from jobchaos.probes.remedies import remedy

_PATIENCE = 5.0  # real seconds; Linux tries a connection again after one, and after two more
_RECEIVING = ("recv", "recv_into", "recvfrom", "recvfrom_into")
_SENDING = ("send", "sendall")
_PLAIN, _READ, _HANDSHAKE = "timed out", "The read operation timed out", "The handshake operation timed out"


class _Exchange:
    """What is underway on one socket.

    Attributes:
        is_open: True from the first byte sent until the first that has come back.
        is_fresh: True until then, of a socket on which nothing has happened.
        fault: What becomes of it; None if it is answered.
    """

    __slots__ = ("fault", "is_fresh", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self.is_fresh = True
        self.fault: Fault | None = None


class SocketProbe(BaseProbe):
    """Asks before a controlled worker connects, and before it sends or, first of all, receives."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._silent: set[str] = set()  # whom a real wait for was in vain; no other is to take as long
        self._exchanges: weakref.WeakKeyDictionary[socket.socket, _Exchange] = weakref.WeakKeyDictionary()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._wrap(socket.socket, "connect", self._connecting)
        for name in _SENDING:
            self._wrap(socket.socket, name, self._sending)
        for name in _RECEIVING:
            self._wrap(socket.socket, name, functools.partial(self._receiving, _PLAIN))
        ssl = sys.modules.get("ssl")
        if ssl is not None:
            self._wrap(ssl.SSLSocket, "send", self._sending)
            self._wrap(ssl.SSLSocket, "read", functools.partial(self._receiving, _READ))
            self._wrap(ssl.SSLSocket, "do_handshake", self._shaking_hands)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def fault_of(self, file: Any) -> Fault | None:
        """What becomes of what is underway on a socket; None if it is answered, or if that is no such socket."""
        exchange = self._exchanges.get(file) if isinstance(file, socket.socket) else None
        return None if exchange is None else exchange.fault

    def _wrap(self, owner: Any, name: str, watched: Callable[..., Any]) -> None:
        genuine = getattr(owner, name)

        def method(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
            worker = None if self._control is None else self._control.current()
            if worker is None or worker.dead or sock.gettimeout() == 0 or is_faked():  # one that never waits
                return genuine(sock, *args, **kwargs)
            return watched(worker, functools.partial(genuine, sock, *args, **kwargs), sock, *args)

        self._patches.put(owner, name, method)

    def _connecting(self, worker: Worker, genuine: Callable[[], Any], sock: socket.socket, address: Any) -> Any:
        hang = functools.partial(_hang, sock, "connection", _PLAIN, address)
        return waited(worker, worker.ask(hang), self._patient(worker, genuine, sock, hang, address), hang)

    def _shaking_hands(self, worker: Worker, genuine: Callable[[], Any], sock: socket.socket, *_: Any) -> Any:
        hang = functools.partial(_hang, sock, "connection", _HANDSHAKE)
        return waited(worker, worker.ask(hang), self._patient(worker, genuine, sock, hang), hang)

    def _sending(self, worker: Worker, genuine: Callable[[], Any], sock: socket.socket, data: Any, *_: Any) -> Any:
        exchange = self._exchanges.setdefault(sock, _Exchange())
        if not exchange.is_open:
            self._open(worker, exchange, sock)
        if exchange.fault is Fault.HANG:
            return len(memoryview(data).cast("B"))
        return self._patient(worker, genuine, sock, functools.partial(_hang, sock, "answer", _PLAIN))()

    def _receiving(self, text: str, worker: Worker, genuine: Callable[[], Any], sock: socket.socket, *_: Any) -> Any:
        exchange = self._exchanges.setdefault(sock, _Exchange())
        if exchange.is_fresh and not exchange.is_open:  # the far side speaks first
            self._open(worker, exchange, sock)
        fault = exchange.fault
        if fault is not Fault.HANG:
            exchange.is_open, exchange.fault = False, None
        hang = functools.partial(_hang, sock, "answer", text)
        return waited(worker, fault, self._patient(worker, genuine, sock, hang), hang)

    def _patient(
        self,
        worker: Worker,
        genuine: Callable[[], Any],
        sock: socket.socket,
        hang: Callable[[], Hang],
        address: Any = None,
    ) -> Callable[[], Any]:
        """A call that waits for real; what its timeout does if it is in vain, it does in virtual time."""

        def call() -> Any:
            timeout = sock.gettimeout()
            if timeout is None:
                return genuine()
            far = peer_of(sock, address)
            sock.settimeout(timeout if far in self._silent else max(timeout, _PATIENCE))
            try:
                return genuine()
            except TimeoutError as error:
                if error.errno is not None:  # the system's own, of a connection
                    raise
            finally:
                if sock.fileno() >= 0:
                    sock.settimeout(timeout)
            self._silent.add(far)
            return worker.time_out(hang())

        return call

    def _open(self, worker: Worker, exchange: _Exchange, sock: socket.socket) -> None:
        exchange.is_open, exchange.is_fresh = True, False
        exchange.fault = worker.ask(functools.partial(_hang, sock, "answer", _PLAIN))


def _hang(sock: socket.socket, waits_for: Literal["connection", "answer"], text: str, address: Any = None) -> Hang:
    return Hang(
        far=f"host:{peer_of(sock, address)}",
        timeout=sock.gettimeout(),
        failure=lambda: TimeoutError(text),
        advice=remedy("sock.settimeout(...)"),
        waits_for=waits_for,
    )


def peer_of(sock: socket.socket, address: Any = None) -> str:
    """Who is at the far end of a socket: host and port, or a path."""
    if address is None:
        try:
            address = sock.getpeername()
        except OSError:  # it is not connected any more
            return "a socket"
    if isinstance(address, tuple):
        return ":".join(map(str, address[:2]))
    return address.decode(errors="backslashreplace") if isinstance(address, bytes) else str(address)
