"""HTTPXProbe: each request of an httpx client, synchronous or not, whatever transport carries it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobchaos.core.hang import Hang
from jobchaos.errors import UsageError
from jobchaos.probes.enduring import endure
from jobchaos.probes.exchange import Exchange, Request
from jobchaos.probes.faked import Faked
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.remedies import remedy

if TYPE_CHECKING:
    import httpx


class HTTPXProbe(LibraryProbe):
    """Makes a step of the moment when a client hands one request, redirects apart, to its transport.

    respx and `MockTransport` answer below that. Which host is reached is checked lower still, where a connection is
    used: a fake may answer for any.
    """

    library = "httpx"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import httpcore
        import httpx

        for client in (httpx.Client, httpx.AsyncClient):
            if not hasattr(client, _SEAM):
                raise UsageError(
                    f"httpx {httpx.__version__} cannot be watched: it has no {client.__name__}.{_SEAM}. Use 0.28."
                )
        self.patches.set(httpx.Client, _SEAM, self._send(getattr(httpx.Client, _SEAM)))
        self.patches.set(httpx.AsyncClient, _SEAM, self._send_async(getattr(httpx.AsyncClient, _SEAM)))
        self._check_hosts(httpcore.HTTPConnection, "handle_request")
        self._check_hosts(httpcore.AsyncHTTPConnection, "handle_async_request")

    def _send(self, genuine: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
        def send(client: httpx.Client, request: httpx.Request) -> httpx.Response:
            if self.worker() is None:
                return genuine(client, request)
            request.read()
            exchange = self._exchange(request)
            exchange.is_faked = _is_faked(client, request)
            with exchange.travelling():
                late = _waiting(request, awaited=False).sent(exchange.worker) if exchange.is_faked else None
                response = genuine(client, request)
                if late is not None:
                    response.close()
                    exchange.worker.time_out(late)
            try:
                exchange.answered(response.status_code, response.reason_phrase, _answer(response, exchange))
            except Exception:
                response.close()  # it is lost: nobody else can close it
                raise
            return response

        return send

    def _send_async(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        async def send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
            if self.worker() is None:
                return await genuine(client, request)  # type: ignore[no-any-return]
            await request.aread()
            exchange = self._exchange(request)
            exchange.is_faked = _is_faked(client, request)
            with exchange.travelling():
                waiting = _waiting(request, awaited=True) if exchange.is_faked else None
                late = None if waiting is None else await waiting.sent_later(exchange.worker)
                response: httpx.Response = await genuine(client, request)
                if late is not None:
                    await response.aclose()
                    await endure(late)
            try:
                exchange.answered(response.status_code, response.reason_phrase, _answer(response, exchange))
            except Exception:
                await response.aclose()
                raise
            return response

        return send

    def _exchange(self, request: httpx.Request) -> Exchange:
        worker = self.worker()
        assert worker is not None  # noqa: S101 - asked by the callers
        seen = Request.of(request.method, str(request.url), request.headers.raw, request.content)
        return Exchange(seen, worker, lambda sent: _failure(request, sent=sent))

    def _check_hosts(self, connection: type, name: str) -> None:
        genuine = getattr(connection, name)

        def handle(connection: Any, request: Any) -> Any:
            if self.control is not None and self.control.current() is not None:
                self.control.check_host(request.url.host.decode("ascii"))
            return genuine(connection, request)

        self.patches.set(connection, name, handle)


_SEAM = "_send_single_request"
"""The one place that every request passes, and that no fake replaces."""


def _is_faked(client: Any, request: httpx.Request) -> bool:
    """True unless httpx's own transport carries it, at least in the end, and that hands it to httpcore's own pool."""
    import httpx

    transport = client._transport_for_url(request.url)  # noqa: SLF001 - nothing else tells which it is
    for kind, method in ((httpx.HTTPTransport, "handle_request"), (httpx.AsyncHTTPTransport, "handle_async_request")):
        if isinstance(transport, kind):
            pool = type(transport._pool)  # noqa: SLF001 - which is what fakes replace, or its methods
            return not (_is_of(getattr(kind, method), "httpx") and _is_of(getattr(pool, method), "httpcore"))
    return True


def _answer(response: Any, exchange: Exchange) -> bytes:
    """What a fake has answered: the bytes that it was given, as the response may be read only once."""
    import httpx

    stream = response.stream if exchange.is_faked else None
    for name in ("_stream", "_httpcore_stream"):
        stream = getattr(stream, name, stream)
    return b"".join(stream) if isinstance(stream, httpx.ByteStream) else b""


def _is_of(method: Any, module: str) -> bool:
    """True if a method is defined in a library."""
    code = getattr(method, "__code__", None)
    return code is not None and str(code.co_filename).startswith(os.path.dirname(sys.modules[module].__file__ or ""))


def _waiting(request: httpx.Request, *, awaited: bool) -> Faked:
    """How the genuine transport would wait, and what it would raise: asyncio's timeouts have no text."""
    import httpx

    seconds = request.extensions.get("timeout", {})
    text = "" if awaited else "timed out"
    far = f"host:{request.url.host}:{request.url.port or (443 if request.url.scheme == 'https' else 80)}"
    advice = remedy("timeout= in the request, or of the client")
    return Faked(
        Hang(far, seconds.get("connect"), lambda: httpx.ConnectTimeout(text, request=request), advice, "connection"),
        Hang(far, seconds.get("read"), lambda: httpx.ReadTimeout(text, request=request), advice, "answer"),
    )


def _failure(request: httpx.Request, *, sent: bool) -> Exception:
    import httpx

    if sent:
        return httpx.ReadError("Connection reset by peer", request=request)
    return httpx.ConnectError("All connection attempts failed", request=request)
