"""AiohttpProbe: each request of an aiohttp session, each hop of a redirect and each repetition by itself."""

from __future__ import annotations

import errno
import weakref
from typing import TYPE_CHECKING, Any

from jobchaos.probes.exchange import Exchange, Request
from jobchaos.probes.library import LibraryProbe

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientResponse
    from aiohttp.connector import BaseConnector, Connection


class AiohttpProbe(LibraryProbe):
    """Makes a step of the moment before a connection is fetched for a request; its head answers it."""

    library = "aiohttp"

    def __init__(self) -> None:
        super().__init__()
        self._exchanges: weakref.WeakKeyDictionary[Connection, Exchange] = weakref.WeakKeyDictionary()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import aiohttp
        from aiohttp import connector

        self._watch_connect(connector.BaseConnector)
        self._watch_start(aiohttp.ClientResponse)
        self._watch_close(connector.Connection)

    def _watch_connect(self, owner: type[BaseConnector]) -> None:
        genuine = owner.connect

        async def connect(pool: BaseConnector, req: ClientRequest, *args: Any, **kwargs: Any) -> Connection:
            worker = self.worker()
            if self.control is None or worker is None:
                return await genuine(pool, req, *args, **kwargs)
            if not hasattr(pool, "path"):  # a socket in the file system is on this machine
                self.control.check_host((req.proxy or req.url).host or "")
            request = Request.of(req.method, str(req.url), req.headers.items(), _content(req.body))
            exchange = Exchange(request, worker, lambda sent: _failure(req, sent=sent))
            exchange.begin()
            try:
                connection = await genuine(pool, req, *args, **kwargs)
            except Exception as error:
                exchange.failed(error)
                raise
            self._exchanges[connection] = exchange
            return connection

        self.patches.set(owner, "connect", connect)

    def _watch_start(self, owner: type[ClientResponse]) -> None:
        genuine = owner.start

        async def start(response: ClientResponse, connection: Connection) -> ClientResponse:
            exchange = self._exchanges.get(connection)
            try:
                result = await genuine(response, connection)
            except Exception as error:
                if exchange is not None:
                    exchange.failed(error)
                raise
            if self._exchanges.pop(connection, None) is not None and exchange is not None:
                exchange.answered(response.status, response.reason or "")
            return result

        self.patches.set(owner, "start", start)

    def _watch_close(self, owner: type[Connection]) -> None:
        genuine = owner.close

        def close(connection: Connection) -> None:
            exchange = self._exchanges.pop(connection, None)
            genuine(connection)
            if exchange is not None and not exchange.worker.dead:
                exchange.unanswered()

        self.patches.set(owner, "close", close)


def _content(body: Any) -> bytes:
    """What a request's body holds, as far as one can look without using it up."""
    from aiohttp import MultipartWriter
    from aiohttp.payload import BytesPayload

    if isinstance(body, bytes):
        return body
    if isinstance(body, BytesPayload | MultipartWriter):
        return body.decode("utf-8", "backslashreplace").encode()
    return f"[{type(body).__name__}]".encode()


def _failure(request: ClientRequest, *, sent: bool) -> Exception:
    import aiohttp

    if sent:
        return aiohttp.ServerDisconnectedError()
    reason = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    return aiohttp.ClientConnectorError(request.connection_key, reason)
