"""HueyProbe: tasks that a job enqueues or schedules in Huey."""

from __future__ import annotations

import functools
from typing import Any

from jobchaos.probes.queue import QueueProbe


class HueyProbe(QueueProbe):
    """Makes a step of `Huey.enqueue` and of `Huey.add_schedule`; in immediate mode a task that is enqueued is run."""

    library = "huey.api"
    system = "Huey"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from huey.api import Huey

        for name in ("enqueue", "add_schedule"):
            self._watch(Huey, name)

    def _watch(self, owner_class: Any, name: str) -> None:
        from huey.api import Task

        genuine = getattr(owner_class, name)

        def watched(owner: Any, task: Any) -> Any:
            runs_at_once = owner.immediate and name == "enqueue"
            if not self.is_ours() or runs_at_once or not isinstance(task, Task):
                return genuine(owner, task)
            known = {"message": owner._registry.create_message(task)}  # noqa: SLF001 - what would be serialized
            refused = functools.partial(_refused, owner.storage)
            self.enqueue(owner.name, task.name, task.args, task.kwargs, options=known, failure=refused)
            return None

        self.patches.set(owner_class, name, watched)


def _refused(storage: Any) -> Exception:
    from huey.storage import RedisStorage

    if not isinstance(storage, RedisStorage):
        return ConnectionError("connection refused")
    from redis.exceptions import ConnectionError as RedisConnectionError

    return RedisConnectionError("Error 111 connecting to the broker. Connection refused.")
