"""HTTPProbe: each request through `http.client` is an effect; so are those of requests, urllib3 and urllib."""

from __future__ import annotations

import errno
import http.client
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.ports import Control, Pending, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches

_COLUMNS = ("method", "url", "body")
_READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REPEATABLE = frozenset({"PUT", "DELETE"})
"""Sent twice, they mean the same as sent once (RFC 9110, 9.2.2)."""
_KEYS = frozenset({"idempotency-key", "x-idempotency-key"})
_REFUSED = 400


class RefusedError(Exception):
    """The server answered with a status of 400 or more."""


@dataclass(slots=True)
class Request:
    """One request on its way.

    Attributes:
        method: In capitals.
        url: Scheme, host and target.
        route: Resource path.
        key: The idempotency key, if any.
        worker: Who sends it.
        pending: The effect, once the headers are complete.
        head_sent: Whether the bytes that follow are the body.
        body: The body's bytes so far.
    """

    method: str
    url: str
    route: str
    worker: Worker
    key: str = ""
    pending: Pending | None = None
    head_sent: bool = False
    body: bytearray = field(default_factory=bytearray)

    def effect(self) -> Effect:
        """What is about to happen."""
        reading = self.method in _READING
        # Nobody knows which answers of a server a request changes: any, as far as one can tell.
        touch = Touch(self.route, Mode.READ) if reading else Touch(self.route.partition("/")[0], Mode.WRITE)
        return Effect("http", f"{self.method} {self.url}", (touch,), durable=not reading)

    def foreign(self) -> Foreign:
        """The record for the ledger."""
        body = self.body.decode("utf-8", "backslashreplace")
        identity = (self.method, self.url, self.key) if self.key else None
        if identity is None and self.method in _REPEATABLE:
            identity = (self.method, self.url, body)
        return Foreign("http", _COLUMNS, (self.method, self.url, body), identity)


class HTTPProbe(BaseProbe):
    """Makes a step of the moment when a request's headers are complete and nothing has been sent."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._requests: weakref.WeakKeyDictionary[HTTPConnection, Request] = weakref.WeakKeyDictionary()

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
        for connection, request in list(self._requests.items()):
            if request.worker is worker:
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
            self._requests[connection] = _request(connection, method.upper(), url, worker)
        return genuine(connection, method, url, *args, **kwargs)

    def _putheader(self, genuine: Callable[..., Any], connection: HTTPConnection, header: Any, *values: Any) -> Any:
        name = header.decode("latin-1") if isinstance(header, bytes) else str(header)
        request = self._requests.get(connection)
        if request is not None and name.lower() in _KEYS and values:
            request.key = values[0].decode("latin-1") if isinstance(values[0], bytes) else str(values[0])
        return genuine(connection, header, *values)

    def _endheaders(self, genuine: Callable[..., Any], connection: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        request = self._requests.get(connection)
        if request is None:
            return genuine(connection, *args, **kwargs)
        request.worker.touch(request.route)
        request.pending = request.worker.begin(request.effect(), _failure)
        try:
            return genuine(connection, *args, **kwargs)
        except Exception as error:
            del self._requests[connection]
            request.pending.failed(error)
            raise

    def _sent(self, _event: str, args: tuple[Any, ...]) -> None:
        connection, data = args
        request = self._requests.get(connection)
        if request is None:
            return
        if not request.head_sent:
            request.head_sent = True
            return
        try:
            request.body += data
        except TypeError:  # a stream whose parts http.client sends without telling
            request.body += f"[{type(data).__name__}]".encode()

    def _getresponse(self, genuine: Callable[..., Any], connection: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        request = self._requests.pop(connection, None)  # first: getresponse may close the connection
        pending = None if request is None else request.pending
        try:
            response = genuine(connection, *args, **kwargs)
        except Exception as error:
            if pending is not None:
                pending.failed(error)
            raise
        if request is not None and pending is not None:
            try:
                if response.status < _REFUSED:
                    _applied(request, pending, str(response.status))
                else:
                    pending.failed(RefusedError(f"{response.status} {response.reason}"))
            except Exception:
                response.close()  # it is lost: nobody else can close it
                raise
        return response

    def _close(self, genuine: Callable[..., Any], connection: HTTPConnection) -> Any:
        self._unanswered(connection)
        return genuine(connection)

    def _unanswered(self, connection: HTTPConnection) -> None:
        request = self._requests.pop(connection, None)
        if request is not None and request.pending is not None:
            _applied(request, request.pending, "answer not read")


def _request(connection: HTTPConnection, method: str, target: str, worker: Worker) -> Request:
    scheme = "https" if connection.default_port == http.client.HTTPS_PORT else "http"
    host = f"{connection.host}:{connection.port}"
    shown = connection.host if connection.port == connection.default_port else host
    url = target if "://" in target else f"{scheme}://{shown}{target}"
    return Request(method, url, f"http:{host}/{method} {target.partition('?')[0]}", worker)


def _applied(request: Request, pending: Pending, outcome: str) -> None:
    if request.method not in _READING:
        request.worker.record(request.foreign())
    pending.done(outcome)


def _failure() -> Exception:
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
