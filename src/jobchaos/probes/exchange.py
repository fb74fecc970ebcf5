"""Exchange: one HTTP request of a worker's, from the step before it to its answer, whichever client sends it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker

_COLUMNS = ("method", "url", "body")
_READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REPEATABLE = frozenset({"PUT", "DELETE"})
"""Sent twice, they mean the same as sent once (RFC 9110, 9.2.2)."""
_KEY = re.compile(r"idempoten|^paypal-request-id$", re.IGNORECASE)
"""Names of headers that carry an idempotency key: `Idempotency-Key`, `X-Idempotency-Key`, `Idempotence-Key`, ..."""
_KEY_IN_BODY = re.compile(rb"""\bidempotency_?key(?:"\s*:\s*"|=)([^"&]+)""", re.IGNORECASE)
"""In JSON, or in a form; Square and others want it there."""
_REFUSED = 400
_PORTS = {"http": 80, "https": 443}


class RefusedError(Exception):
    """The server answered with a status of 400 or more."""


class NoAnswerError(Exception):
    """The server has not heard of the request, and whoever sent it has given up."""


@dataclass(slots=True)
class Request:
    """What is asked of whom.

    Attributes:
        method: In capitals.
        url: Scheme, host and target, without a port that goes without saying.
        route: Resource path.
        key: The idempotency key, if any.
        body: The body's bytes so far.
    """

    method: str
    url: str
    route: str
    key: str = ""
    body: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, method: str, url: str, headers: Iterable[tuple[object, object]] = (), body: bytes = b"") -> Request:
        """A request to a full address.

        Args:
            method: In any case.
            url: Scheme, host and target.
            headers: Names and values.
            body: As far as it is known.
        """
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = parts.port or _PORTS.get(parts.scheme, 0)
        shown = host if port == _PORTS.get(parts.scheme) else f"{host}:{port}"
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        method = method.upper()
        request = cls(method, f"{parts.scheme}://{shown}{target}", f"http:{host}:{port}/{method} {path}")
        request.body += body
        for name, value in headers:
            request.header(name, value)
        return request

    def header(self, name: object, value: object) -> None:
        """Take note of a header."""
        if _KEY.search(_text(name)):
            self.key = _text(value)

    @property
    def reads(self) -> bool:
        """True if it leaves nothing behind."""
        return self.method in _READING

    def effect(self) -> Effect:
        """What is about to happen."""
        # Nobody knows which answers of a server a request changes: any, as far as one can tell.
        touch = Touch(self.route, Mode.READ) if self.reads else Touch(self.route.partition("/")[0], Mode.WRITE)
        return Effect("http", f"{self.method} {self.url}", (touch,), durable=not self.reads)

    def foreign(self, answer: bytes = b"") -> Foreign:
        """The record for the ledger.

        Args:
            answer: See `Foreign.answer`.
        """
        body = self.body.decode("utf-8", "backslashreplace")
        in_body = _KEY_IN_BODY.search(self.body)
        key = self.key or (_text(in_body[1]) if in_body else "")
        identity = (self.method, self.url, key) if key else None
        if identity is None and self.method in _REPEATABLE:
            identity = (self.method, self.url, body)
        return Foreign("http", _COLUMNS, (self.method, self.url, body), identity, answer=answer)


class Exchange:
    """A request of a worker's on its way.

    Args:
        request: The request.
        worker: Who sends it.
        failure: Makes the client's own error; takes whether the request has been sent by then.
    """

    def __init__(self, request: Request, worker: Worker, failure: Callable[[bool], Exception]) -> None:
        self.request = request
        self.worker = worker
        self._failure = failure
        self._pending: Pending | None = None
        self.taken = False
        """True once a layer below has seen this very request."""
        self.is_faked = False
        """True if it was asked here whether it is answered: no socket need ask, should the fake use one."""

    @property
    def begun(self) -> bool:
        """True from the step on until it has ended."""
        return self._pending is not None

    def begin(self) -> None:
        """Arrive at the step before it is sent."""
        self.worker.touch(self.request.route)
        self._pending = self.worker.begin(self.request.effect(), lambda: self._failure(self.begun))

    def answered(self, status: int, reason: str, answer: bytes = b"") -> None:
        """The status is known, and of a fake the body. May raise, if the schedule has the answer lost."""
        if status >= _REFUSED:
            self.failed(RefusedError(f"{status} {reason}".strip()))
        else:
            self._applied(str(status), answer)

    def unanswered(self) -> None:
        """It was sent, and nobody reads the answer; or nobody has heard of it."""
        if self._pending is not None and self._pending.is_silent:
            self.failed(NoAnswerError("it was not waited for"))
        elif self.begun:
            self._applied("answer not read")

    def failed(self, error: BaseException) -> None:
        """It did not reach anybody, or was refused."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            if pending.failed(error) and not self.request.reads:
                self.worker.record(self.request.foreign())

    def _applied(self, outcome: str, answer: bytes = b"") -> None:
        if self._pending is not None:
            if not self.request.reads:
                self.worker.record(self.request.foreign(answer))
            self._pending.done(outcome)
            self._pending = None

    @contextlib.contextmanager
    def travelling(self) -> Iterator[None]:
        """Take the step, then send it within: a client below that sends this very request adds no step of its own."""
        self.begin()
        token = _current.set(self)
        try:
            yield
        except Exception as error:
            self.failed(error)
            raise
        except asyncio.CancelledError:
            self.unanswered()
            raise
        finally:
            _current.reset(token)


_current: ContextVar[Exchange | None] = ContextVar("jobchaos_exchange", default=None)


def is_faked() -> bool:
    """True while a fake is asked, see `Exchange.is_faked`."""
    exchange = _current.get()
    return exchange is not None and exchange.is_faked


def is_on_its_way(request: Request) -> bool:
    """True, once, for a request that a layer above has announced."""
    exchange = _current.get()
    if exchange is None or exchange.taken:
        return False
    announced = exchange.request
    exchange.taken = (announced.method, announced.url) == (request.method, request.url)
    return exchange.taken


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
