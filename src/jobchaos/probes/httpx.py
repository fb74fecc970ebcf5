"""HTTPXProbe: each request of an httpx client, synchronous or not, whatever transport carries it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobchaos.errors import UsageError
from jobchaos.probes.exchange import Exchange, Request
from jobchaos.probes.library import LibraryProbe

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
            with exchange.travelling():
                response = genuine(client, request)
            try:
                exchange.answered(response.status_code, response.reason_phrase)
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
            with exchange.travelling():
                response: httpx.Response = await genuine(client, request)
            try:
                exchange.answered(response.status_code, response.reason_phrase)
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


def _failure(request: httpx.Request, *, sent: bool) -> Exception:
    import httpx

    if sent:
        return httpx.ReadError("Connection reset by peer", request=request)
    return httpx.ConnectError("All connection attempts failed", request=request)
