"""RQProbe: jobs that a job enqueues in RQ."""

from __future__ import annotations

from typing import Any

from jobchaos.probes.queue import QueueProbe


class RQProbe(QueueProbe):
    """Makes a step of `Queue.enqueue_job` and `Queue.schedule_job`, where all ways of enqueuing one job end.

    A second one with the same id and `unique=True` is refused, as RQ does.
    """

    library = "rq.queue"
    system = "RQ"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from rq.queue import Queue

        for name in ("enqueue_job", "schedule_job", "_enqueue_job"):  # the last is called for each of `enqueue_many`
            self._watch(Queue, name)

    def _watch(self, queue_class: Any, name: str) -> None:
        genuine = getattr(queue_class, name)

        def watched(queue: Any, job: Any, *args: Any, **options: Any) -> Any:
            if not self.is_ours():
                return genuine(queue, job, *args, **options)
            key = job.id if options.get("unique") else ""
            known = {name: getattr(job, name) for name in _KNOWN}
            sent = job.func_name, job.args, job.kwargs
            if not self.enqueue(queue.name, *sent, key=key, options=known, failure=_unreachable):
                from rq.exceptions import DuplicateJobError

                raise DuplicateJobError(f"Job with ID '{key}' already exists")
            return job

        self.patches.set(queue_class, name, watched)


_KNOWN = ("id", "timeout", "retries_left", "retry_intervals", "meta", "result_ttl", "failure_ttl")


def _unreachable() -> Exception:
    from redis.exceptions import ConnectionError as RedisConnectionError

    return RedisConnectionError("Error 111 connecting to the broker. Connection refused.")
