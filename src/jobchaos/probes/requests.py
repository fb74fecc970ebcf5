"""RequestsProbe: requests that a fake answers, or an adapter of the job's own, before `http.client` could see them.

`responses` replaces `HTTPAdapter.send`, `requests-mock` brings an adapter, and a session may mount any other. What the
genuine adapter sends is left to `HTTPProbe`, which also sees the repetitions of urllib3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from jobchaos.probes.exchange import Exchange, Request
from jobchaos.probes.library import LibraryProbe

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
            return cast("BaseAdapter", _Announcing(adapter, self._send))

        self.patches.set(requests.Session, "get_adapter", get_adapter)

    def _send(self, send: Callable[..., Any], request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        worker = self.worker()
        if worker is None:
            return send(request, *args, **kwargs)
        exchange = Exchange(_request(request), worker, lambda _: _failure(request))
        with exchange.travelling():
            response = send(request, *args, **kwargs)
        try:
            exchange.answered(response.status_code, response.reason or "")
        except Exception:
            response.close()  # it is lost: nobody else can close it
            raise
        return response


class RequestsMockProbe(RequestsProbe):
    """The same for `requests-mock`, which gives each session a `get_adapter` of its own while it sends."""

    library = "requests_mock"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from requests_mock.adapter import Adapter

        genuine = Adapter.send

        def send(adapter: Any, request: Any, **kwargs: Any) -> Any:
            return self._send(lambda *args, **options: genuine(adapter, *args, **options), request, **kwargs)

        self.patches.set(Adapter, "send", send)


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
    code = getattr(getattr(adapter.send, "__func__", None), "__code__", None)
    return code is not None and code.co_filename == sys.modules["requests.adapters"].__file__


def _request(prepared: requests.PreparedRequest) -> Request:
    body = prepared.body
    content = body.encode() if isinstance(body, str) else body
    if content is None:
        content = b""
    elif not isinstance(content, bytes | bytearray):
        content = f"[{type(content).__name__}]".encode()
    return Request.of(prepared.method or "GET", prepared.url or "", prepared.headers.items(), bytes(content))


def _failure(request: requests.PreparedRequest) -> Exception:
    import requests

    return requests.ConnectionError("('Connection aborted.', ConnectionResetError(104))", request=request)
