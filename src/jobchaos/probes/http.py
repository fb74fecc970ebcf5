"""HTTPProbe: each request through `http.client` is an effect; so are those of requests, urllib3 and urllib."""

from __future__ import annotations

import errno
import http.client
import weakref
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.exchange import Exchange, Request, is_on_its_way


class HTTPProbe(BaseProbe):
    """Makes a step of the moment when a request's headers are complete and nothing has been sent."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._exchanges: weakref.WeakKeyDictionary[HTTPConnection, Exchange] = weakref.WeakKeyDictionary()
        self._heads_sent: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._wrap("putrequest", self._putrequest)
        self._wrap("putheader", self._putheader)
        self._wrap("endheaders", self._endheaders)
        self._wrap("getresponse", self._getresponse)
        self._wrap("close", self._close)
        subscribe("http.client.send", self._sent)

    def remove(self) -> None:
        """See `Probe.remove`."""
        unsubscribe("http.client.send", self._sent)
        self._patches.undo()
        self._control = None

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`: a request whose answer nobody has read was sent all the same."""
        for connection, exchange in list(self._exchanges.items()):
            if exchange.worker is worker:
                self._unanswered(connection)

    def _wrap(self, name: str, replacement: Callable[..., Any]) -> None:
        genuine = vars(HTTPConnection)[name]

        def watched(connection: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
            if self._control is None or self._control.current() is None:
                return genuine(connection, *args, **kwargs)
            return replacement(genuine, connection, *args, **kwargs)

        self._patches.set(HTTPConnection, name, watched)

    def _putrequest(
        self, genuine: Callable[..., Any], connection: HTTPConnection, method: str, url: str, *args: Any, **kwargs: Any
    ) -> Any:
        control = self._control
        worker = None if control is None else control.current()
        if control is not None and worker is not None:
            control.check_host(connection.host)
            self._unanswered(connection)
            request = _request(connection, method, url)
            if not is_on_its_way(request):
                self._exchanges[connection] = Exchange(request, worker, _failure)
        return genuine(connection, method, url, *args, **kwargs)

    def _putheader(self, genuine: Callable[..., Any], connection: HTTPConnection, header: Any, *values: Any) -> Any:
        exchange = self._exchanges.get(connection)
        if exchange is not None and values:
            exchange.request.header(header, values[0])
        return genuine(connection, header, *values)

    def _endheaders(self, genuine: Callable[..., Any], connection: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        exchange = self._exchanges.get(connection)
        if exchange is None:
            return genuine(connection, *args, **kwargs)
        self._heads_sent.discard(connection)
        exchange.begin()
        try:
            return genuine(connection, *args, **kwargs)
        except Exception as error:
            del self._exchanges[connection]
            exchange.failed(error)
            raise

    def _sent(self, _event: str, args: tuple[Any, ...]) -> None:
        connection, data = args
        exchange = self._exchanges.get(connection)
        if exchange is None:
            return
        if connection not in self._heads_sent:
            self._heads_sent.add(connection)
            return
        try:
            exchange.request.body += data
        except TypeError:  # a stream whose parts http.client sends without telling
            exchange.request.body += f"[{type(data).__name__}]".encode()

    def _getresponse(self, genuine: Callable[..., Any], connection: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        exchange = self._exchanges.pop(connection, None)  # first: getresponse may close the connection
        try:
            response = genuine(connection, *args, **kwargs)
        except Exception as error:
            if exchange is not None:
                exchange.failed(error)
            raise
        if exchange is not None:
            try:
                exchange.answered(response.status, response.reason)
            except Exception:
                response.close()  # it is lost: nobody else can close it
                raise
        return response

    def _close(self, genuine: Callable[..., Any], connection: HTTPConnection) -> Any:
        self._unanswered(connection)
        return genuine(connection)

    def _unanswered(self, connection: HTTPConnection) -> None:
        exchange = self._exchanges.pop(connection, None)
        if exchange is not None:
            exchange.unanswered()


def _request(connection: HTTPConnection, method: str, target: str) -> Request:
    scheme = "https" if connection.default_port == http.client.HTTPS_PORT else "http"
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return Request.of(method, target if "://" in target else f"{scheme}://{host}:{connection.port}{target}")


def _failure(sent: bool) -> Exception:
    if sent:
        return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    # Not a reset: urllib3 takes one while it sends for an early answer, and goes on to read that.
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
