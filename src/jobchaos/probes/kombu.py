"""KombuProbe: what Celery, or a job itself, publishes by kombu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobchaos.probes.queue import QueueProbe


class KombuProbe(QueueProbe):
    """Makes a step of `kombu.Producer.publish`. Nothing is connected to: a producer connects when it sends."""

    library = "kombu.messaging"
    system = "Celery"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from kombu.exceptions import OperationalError
        from kombu.messaging import Producer

        publish = Producer.publish

        def refused() -> Exception:
            error: Exception = OperationalError("connection refused")
            return error

        def watched(producer: Any, body: Any, routing_key: str | None = None, *args: Any, **options: Any) -> Any:
            if not self.is_ours():
                return publish(producer, body, routing_key, *args, **options)
            headers = options.get("headers") or {}
            exchange = options.get("exchange") or producer.exchange
            queue = str(routing_key or producer.routing_key or getattr(exchange, "name", exchange))
            if "task" in headers:
                task, (args, kwargs) = str(headers["task"]), _arguments(body)
                self.enqueue(queue, task, args, kwargs, options=_options(headers, body), failure=refused)
            else:
                self.enqueue(queue, "", (body,), failure=refused)
            return None

        self.patches.set(Producer, "publish", watched)


def _arguments(body: Any) -> tuple[Any, Any]:
    args, kwargs, *_ = body
    return args, kwargs


def _options(headers: Mapping[str, Any], body: Any) -> dict[str, Any]:
    """The options of the signature that has become this message, but for what no worker looks at."""
    embedded = body[2] if len(body) > 2 else {}
    limit, soft_limit = headers.get("timelimit") or (None, None)
    options = {
        "task_id": headers["id"],
        "time_limit": limit,
        "soft_time_limit": soft_limit,
        "ignore_result": headers.get("ignore_result"),
        "link": embedded.get("callbacks"),
        "link_error": embedded.get("errbacks"),
        "chain": embedded.get("chain"),
    }
    return {name: value for name, value in options.items() if value is not None}
