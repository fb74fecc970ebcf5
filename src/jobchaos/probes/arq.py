"""ArqProbe: jobs that a job enqueues in arq."""

from __future__ import annotations

from typing import Any

from jobchaos.probes.queue import QueueProbe


class ArqProbe(QueueProbe):
    """Makes a step of `ArqRedis.enqueue_job`. A second one with the same `_job_id` gives None, as in arq."""

    library = "arq.connections"
    system = "arq"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from arq.connections import ArqRedis
        from arq.jobs import Job
        from redis.exceptions import ConnectionError as RedisConnectionError

        genuine = ArqRedis.enqueue_job

        def refused() -> Exception:
            return RedisConnectionError("Error 111 connecting to the broker. Connection refused.")

        async def watched(pool: Any, function: str, *args: Any, **options: Any) -> Any:
            if not self.is_ours():
                return await genuine(pool, function, *args, **options)
            queue, key = options.get("_queue_name") or pool.default_queue_name, options.get("_job_id") or ""
            given = {name: value for name, value in options.items() if not name.startswith("_")}
            is_new = self.enqueue(queue, function, args, given, key=key, failure=refused)
            return Job(key or "jobchaos", pool, queue) if is_new else None

        self.patches.set(ArqRedis, "enqueue_job", watched)
