"""TaskiqProbe: messages that a job sends by TaskIQ."""

from __future__ import annotations

from typing import Any

from jobchaos.core.classes import defining
from jobchaos.probes.queue import QueueProbe


class TaskiqProbe(QueueProbe):
    """Makes a step of `kick`, of every class of brokers."""

    library = "taskiq"
    system = "TaskIQ"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from taskiq.abc.broker import AsyncBroker

        for kind in defining(AsyncBroker, "kick"):
            self._watch(kind)

    def _watch(self, kind: Any) -> None:
        genuine = kind.kick

        async def watched(broker: Any, sent: Any) -> Any:
            if not self.is_ours():
                return await genuine(broker, sent)
            message = broker.formatter.loads(sent.message)
            name, known = sent.task_name.rpartition(":")[2], {"task": sent.task_name}
            self.enqueue("taskiq", name, message.args, message.kwargs, options=known)
            return None

        self.patches.set(kind, "kick", watched)
