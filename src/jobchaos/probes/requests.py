"""RequestsProbe: requests that a fake answers, or an adapter of the job's own, before `http.client` could see them.

`responses` replaces `HTTPAdapter.send`, `requests-mock` brings an adapter, and a session may mount any other. What the
genuine adapter sends is left to `HTTPProbe`, which also sees the repetitions of urllib3.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from jobchaos.core.hang import Hang
from jobchaos.probes.exchange import Exchange, Request
from jobchaos.probes.faked import Faked
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.remedies import remedy

if TYPE_CHECKING:
    import requests
    from requests.adapters import BaseAdapter


class RequestsProbe(LibraryProbe):
    """Makes a step of the moment when a session hands a request to an adapter that is not the genuine one."""

    library = "requests"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import requests

        genuine = requests.Session.get_adapter

        def get_adapter(session: requests.Session, url: str) -> BaseAdapter:
            adapter = genuine(session, url)
            if self.worker() is None or _is_genuine(adapter):
                return adapter
            return cast("BaseAdapter", _Announcing(adapter, functools.partial(self._send, faked=_is_faked(adapter))))

        self.patches.set(requests.Session, "get_adapter", get_adapter)

    def _send(
        self, send: Callable[..., Any], request: requests.PreparedRequest, *args: Any, faked: bool = True, **kwargs: Any
    ) -> Any:
        worker = self.worker()
        if worker is None:
            return send(request, *args, **kwargs)
        exchange = Exchange(_request(request), worker, lambda _: _failure(request))
        exchange.is_faked = faked
        with exchange.travelling():
            late = _waiting(request, kwargs.get("timeout")).sent(worker) if faked else None
            response = send(request, *args, **kwargs)
            if late is not None:
                response.close()
                worker.time_out(late)
        try:
            answer = response.content if faked and not kwargs.get("stream") else b""
            exchange.answered(response.status_code, response.reason or "", answer or b"")
        except Exception:
            response.close()  # it is lost: nobody else can close it
            raise
        return response


class RequestsMockProbe(RequestsProbe):
    """The same for `requests-mock`, which gives each session a `get_adapter` of its own while it sends."""

    library = "requests_mock"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import requests_mock.mocker
        from requests_mock.adapter import Adapter

        genuine = Adapter.send
        mocker: Any = requests_mock.mocker  # its types leave this out
        lock = mocker.threading_rlock

        def between_threads(**kwargs: Any) -> contextlib.AbstractContextManager[Any]:
            """It is held while a request travels, so that a worker who is parked there would keep all others out."""
            return lock(**kwargs) if self.worker() is None else contextlib.nullcontext()

        def send(adapter: Any, request: Any, **kwargs: Any) -> Any:
            return self._send(lambda *args, **options: genuine(adapter, *args, **options), request, **kwargs)

        self.patches.set(Adapter, "send", send)
        self.patches.set(mocker, "threading_rlock", between_threads)


class _Announcing:
    """An adapter, as a session sees it, whose `send` is a step."""

    def __init__(self, adapter: BaseAdapter, send: Callable[..., Any]) -> None:
        self._adapter = adapter
        self._send = send

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> Any:
        return self._send(self._adapter.send, request, **kwargs)


def _is_genuine(adapter: BaseAdapter) -> bool:
    return _is_of_requests(getattr(adapter.send, "__func__", None))


def _is_faked(adapter: BaseAdapter) -> bool:
    """True unless the genuine adapter sends it in the end, with whatever timeout the job's own one gives it."""
    from requests.adapters import HTTPAdapter

    return not (isinstance(adapter, HTTPAdapter) and _is_of_requests(HTTPAdapter.send))


def _is_of_requests(method: Any) -> bool:
    code = getattr(method, "__code__", None)
    return code is not None and code.co_filename == sys.modules["requests.adapters"].__file__


def _request(prepared: requests.PreparedRequest) -> Request:
    body = prepared.body
    content = body.encode() if isinstance(body, str) else body
    if content is None:
        content = b""
    elif not isinstance(content, bytes | bytearray):
        content = f"[{type(content).__name__}]".encode()
    return Request.of(prepared.method or "GET", prepared.url or "", prepared.headers.items(), bytes(content))


def _waiting(request: requests.PreparedRequest, timeout: Any) -> Faked:
    """How the genuine adapter would wait, and what it would raise."""
    import requests
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ReadTimeoutError

    seconds = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    url = urlsplit(request.url or "")
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    pool = (HTTPSConnectionPool if url.scheme == "https" else HTTPConnectionPool)(host, port)

    def not_connected() -> Exception:
        text = f"Connection to {host} timed out. (connect timeout={seconds[0]})"
        reason = ConnectTimeoutError(HTTPConnection(host, port), text)
        return requests.ConnectTimeout(MaxRetryError(pool, target, reason), request=request)

    def not_answered() -> Exception:
        error = ReadTimeoutError(pool, target, f"Read timed out. (read timeout={seconds[1]})")
        return requests.ReadTimeout(error, request=request)

    far, advice = f"host:{host}:{port}", remedy("requests.request(..., timeout=...)")
    return Faked(
        Hang(far, seconds[0], not_connected, advice, "connection"),
        Hang(far, seconds[1], not_answered, advice, "answer"),
    )


def _failure(request: requests.PreparedRequest) -> Exception:
    import requests

    return requests.ConnectionError("('Connection aborted.', ConnectionResetError(104))", request=request)
