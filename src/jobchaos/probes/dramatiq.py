"""DramatiqProbe: messages that a job sends by Dramatiq."""

from __future__ import annotations

from typing import Any

from jobchaos.core.classes import defining
from jobchaos.probes.queue import QueueProbe


class DramatiqProbe(QueueProbe):
    """Makes a step of `enqueue`, of every class of brokers."""

    library = "dramatiq.broker"
    system = "Dramatiq"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from dramatiq.broker import Broker

        for kind in defining(Broker, "enqueue"):
            self._watch(kind)

    def _watch(self, kind: Any) -> None:
        genuine = kind.enqueue

        def watched(broker: Any, message: Any, *, delay: int | None = None) -> Any:
            if not self.is_ours():
                return genuine(broker, message, delay=delay)
            known = {"id": message.message_id, "options": message.options}
            self.enqueue(
                message.queue_name, message.actor_name, message.args, message.kwargs, options=known, failure=_refused
            )
            return message

        self.patches.set(kind, "enqueue", watched)


def _refused() -> Exception:
    from dramatiq.errors import ConnectionClosed

    error: Exception = ConnectionClosed("connection refused")
    return error
