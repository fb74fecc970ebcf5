"""TransportProbe: connections of asyncio's event loops may meet a far side that does not answer.

As `sockets.py` for blocking sockets, and likewise below all libraries (streams, httpx, aiohttp, redis.asyncio): in the
transports of the loop. Its sockets have no timeouts, its timers have; so what is sent is swallowed, nothing comes back,
and it is for the job's own `asyncio.timeout`, or the library's, to end the wait in virtual time.

Exchanges that are underway at the same time are answered in the order in which they began: so each run is the same.
"""

# ruff: noqa: SLF001 - asyncio's transports have no other seam

from __future__ import annotations

import asyncio
import functools
import itertools
import select
import weakref
from asyncio import selector_events
from collections.abc import Callable
from typing import Any

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Control, Worker
from jobchaos.core.schedule import Fault
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.exchange import is_faked
from jobchaos.probes.remedies import remedy

_SOON = 0.2  # real seconds for which an answer waits for that of an earlier exchange
_MOST = 2**16  # bytes to read of an answer that comes too late
_REMEDY = "asyncio.timeout(...) or asyncio.wait_for(..., timeout=...) around it"
_Loop: Any = selector_events.BaseSelectorEventLoop
_Transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class _Exchange:
    """What is underway on one connection: from the first byte sent until the first that has come back.

    Attributes:
        worker: Who has sent it.
        number: How many there were before.
        is_open: True while nothing has come back.
        is_slow: True if others have not waited for it any longer.
        fault: What becomes of it; None if it is answered.
    """

    __slots__ = ("fault", "is_open", "is_slow", "number", "worker")

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.number = 0
        self.is_open = self.is_slow = False
        self.fault: Fault | None = None

    @property
    def is_answered(self) -> bool:
        """True if something is going to come back."""
        return self.is_open and self.fault in (None, Fault.SLOW)


class TransportProbe(BaseProbe):
    """Asks before a task of a controlled worker connects, and before it sends."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._exchanges: weakref.WeakKeyDictionary[Any, _Exchange] = weakref.WeakKeyDictionary()
        self._numbers = itertools.count(1)

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.put(_Loop, "sock_connect", self._connecting(_Loop.sock_connect))
        for name in ("write", "writelines"):
            self._patches.put(_Transport, name, self._sending(getattr(_Transport, name)))
        self._patches.put(_Transport, "_read_ready", self._receiving(_Transport._read_ready))
        self._patches.put(_Transport, "_add_reader", self._listening(_Transport._add_reader))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _worker(self) -> Worker | None:
        worker = None if self._control is None else self._control.current()
        return None if worker is None or worker.dead or is_faked() else worker

    def _connecting(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        async def sock_connect(loop: Any, sock: Any, address: Any) -> Any:
            worker = self._worker()
            hang = functools.partial(_hang, address, "connection")
            if worker is not None and worker.ask(hang) in (Fault.HANG, Fault.LATE):
                await asyncio.get_running_loop().create_future()  # until somebody cancels it
            return await genuine(loop, sock, address)

        return sock_connect

    def _sending(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def send(transport: Any, data: Any) -> Any:
            worker = self._worker()
            if worker is None:
                return genuine(transport, data)
            exchange = self._exchanges.setdefault(transport, _Exchange())
            if not exchange.is_open:
                self._open(worker, transport, exchange)
            if exchange.fault is not Fault.HANG:
                return genuine(transport, data)
            _listen_no_more(transport)
            return None

        return send

    def _listening(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def _add_reader(transport: Any, *args: Any) -> Any:
            exchange = self._exchanges.get(transport)
            if exchange is None or exchange.fault is not Fault.HANG:
                genuine(transport, *args)

        return _add_reader

    def _receiving(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def _read_ready(transport: Any) -> Any:
            exchange = self._exchanges.get(transport) or self._greeted(transport)
            if exchange is not None and exchange.fault is Fault.HANG:
                _listen_no_more(transport)
                return None
            if exchange is not None and self._is_too_early(transport, exchange):
                return None
            if exchange is not None and exchange.fault is Fault.LATE:
                transport._sock.recv(_MOST)
                exchange.fault = Fault.HANG
                _listen_no_more(transport)
                return None
            if exchange is not None and exchange.fault in (None, Fault.SLOW):  # its timers are the job's
                exchange.is_open = False
            return genuine(transport)

        return _read_ready

    def _greeted(self, transport: Any) -> _Exchange | None:
        """A connection on which nothing was sent yet: the far side speaks first."""
        worker = self._worker()
        if worker is None or transport._server is not None:
            return None
        exchange = self._exchanges[transport] = _Exchange()
        self._open(worker, transport, exchange)
        return exchange

    def _open(self, worker: Worker, transport: Any, exchange: _Exchange) -> None:
        exchange.worker, exchange.number = worker, next(self._numbers)
        exchange.is_open, exchange.is_slow = True, False
        exchange.fault = worker.ask(functools.partial(_answer, transport))

    def _is_too_early(self, transport: Any, exchange: _Exchange) -> bool:
        """True if an answer is to wait for that of an earlier exchange, as which of them is faster is chance."""
        if not exchange.is_answered:
            return False
        for other, earlier in list(self._exchanges.items()):
            before = earlier.worker is exchange.worker and earlier.number < exchange.number
            if before and earlier.is_answered and not (earlier.is_slow or other.is_closing()):
                if select.select([other._sock], [], [], _SOON)[0]:
                    return True  # both are announced again
                earlier.is_slow = True
        return False


def _listen_no_more(transport: Any) -> None:
    """Nobody will say anything, and the loop need not wait for it in earnest."""
    if transport.is_reading():
        transport._loop._remove_reader(transport._sock_fd)


def _answer(transport: Any) -> Hang:
    protocol = type(transport.get_protocol()).__module__
    return _hang(transport.get_extra_info("peername"), "answer", protocol)


def _hang(address: Any, waits_for: Any, library: str = "") -> Hang:
    peer = ":".join(map(str, address[:2])) if isinstance(address, tuple) else str(address)
    return Hang(f"host:{peer}", None, None, remedy(_REMEDY, library), waits_for)
