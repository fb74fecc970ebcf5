"""MotoProbe: requests of botocore's that moto answers, before `http.client` could see them.

`mock_aws` answers in botocore's event `before-send`, in the process itself. Through moto's server they are requests as
any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobchaos.probes.exchange import Exchange, NoAnswerError, Request, is_on_its_way
from jobchaos.probes.library import LibraryProbe


class MotoProbe(LibraryProbe):
    """Makes a step of the moment when moto is asked for an answer. It hangs never: nobody tells it the timeouts."""

    library = "moto.core.botocore_stubber"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from moto.core.botocore_stubber import BotocoreStubber

        genuine: Callable[..., Any] = BotocoreStubber.process_request

        def process_request(stubber: Any, prepared: Any) -> Any:
            worker = self.worker()
            request = _request(prepared)
            if worker is None or is_on_its_way(request):  # of requests' library, with moto behind `responses`
                return genuine(stubber, prepared)
            exchange = Exchange(request, worker, lambda _: _failure(prepared.url))
            exchange.is_faked = True
            with exchange.travelling():
                answer = genuine(stubber, prepared)
            if answer is None:
                exchange.failed(NoAnswerError("moto lets it pass"))
            else:
                exchange.answered(answer[0], "")
            return answer

        self.patches.set(BotocoreStubber, "process_request", process_request)


def _request(prepared: Any) -> Request:
    return Request.of(prepared.method, prepared.url, prepared.headers.items(), _content(prepared.body))


def _content(body: Any) -> bytes:
    if body is None or isinstance(body, str | bytes | bytearray):
        return body.encode() if isinstance(body, str) else bytes(body or b"")
    file = getattr(body, "_raw", body)  # botocore wraps it to send it in chunks
    if not hasattr(file, "seek"):
        return f"[{type(body).__name__}]".encode()
    position = file.tell()
    content = file.read()
    file.seek(position)
    return content.encode() if isinstance(content, str) else bytes(content)


def _failure(url: str) -> Exception:
    from botocore.exceptions import ConnectionClosedError

    failure: Exception = ConnectionClosedError(endpoint_url=url)
    return failure
