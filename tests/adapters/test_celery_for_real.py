"""Celery: what we predict is what real workers do, on real brokers, killed with SIGKILL."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobchaos import Settings
from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage, forget, redis_url, service

pytest.importorskip("celery")
redis = pytest.importorskip("redis")

from tests.adapters.celery_app import make  # noqa: E402 - it needs Celery

pytestmark = pytest.mark.thorough

WORKER = ("celery", "-A", "tests.adapters.celery_app", "worker", "-c", "1", "-P", "prefork", "-l", "info")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Broker:
    """A real broker, and an app that uses it in this process as its workers do in theirs."""

    def __init__(self, kind: str, stage: Stage, conf: dict[str, Any], visibility: float) -> None:
        self.stage = stage
        options: dict[str, Any] = {}
        if kind == "redis":
            self.url = redis_url()
            options = {
                "global_keyprefix": f"{stage.name}:",
                "visibility_timeout": visibility,
                "unacked_restore_interval": 1,
                "unacked_restore_throttle": 1,
                "polling_interval": 0.1,
            }
        elif kind == "rabbitmq":
            self.url = service("JOBCHAOS_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//", _rabbitmq_answers)
        else:
            self.url = "filesystem://"
            (stage.folder / "queue").mkdir()
            (stage.folder / "control").mkdir()
            options = {name: str(stage.folder / "queue") for name in ("data_folder_in", "data_folder_out")}
            options |= {"control_folder": str(stage.folder / "control"), "polling_interval": 0.1}
        self.conf = {"task_default_queue": stage.name, "broker_transport_options": options, **conf}
        self.app = make(self.url, self.conf)
        self.run, self.fail = self.app.tasks["run"], self.app.tasks["fail"]

    def work(self, trouble: str = "") -> None:
        """Start a worker."""
        environment = {"JOBCHAOS_TEST_BROKER": self.url, "JOBCHAOS_TEST_CONF": json.dumps(self.conf)}
        self.stage.work(*WORKER, *QUIET, trouble=trouble, **environment)

    def clean(self) -> None:
        """Leave nothing on the broker."""
        with self.app.connection_for_write() as connection:
            with contextlib.suppress(Exception):
                connection.default_channel.queue_delete(self.stage.name)
            if self.url.startswith("redis"):
                with redis.Redis.from_url(self.url) as client:
                    forget(client, self.stage.name)


def _rabbitmq_answers(url: str) -> None:
    import kombu

    with kombu.Connection(url, connect_timeout=3) as connection:
        connection.connect()


@contextlib.contextmanager
def broker_of(kind: str, stage: Stage, visibility: float = 60, **conf: Any) -> Iterator[Broker]:
    broker = Broker(kind, stage, conf, visibility)
    try:
        yield broker
    finally:
        stage.end()
        broker.clean()


LATE = {"task_acks_late": True, "task_reject_on_worker_lost": True}


@pytest.mark.parametrize(
    ("kind", "conf", "killed", "token", "within"),
    [
        ("redis", {}, "group", "A1!kill", 0),
        ("redis", LATE, "group", "A1!kill", 15),
        ("redis", LATE, "self", "A2!kill", 15),
        ("rabbitmq", {}, "group", "A1!kill", 0),
        ("rabbitmq", LATE, "group", "A1!kill", 15),
        ("rabbitmq", LATE, "self", "A1!kill", 15),
        ("filesystem", {}, "group", "A1!kill", 0),
        ("filesystem", LATE, "self", "A1!kill", 15),
    ],
)
def test_a_kill(stage: Stage, kind: str, conf: dict[str, Any], killed: str, token: str, within: float) -> None:
    with broker_of(kind, stage, 2 if killed == "group" else 60, **conf) as broker:
        predicted = stage.predicted(job_of(broker.run, (ORDER,), {}), token)
        step = token[1]
        broker.work(f"kill {killed}|{ORDER}|{step}")
        broker.run.delay(ORDER)
        if killed == "group":
            stage.dies()
            broker.work()
        stage.proves(
            f"Celery on {kind}, {conf or 'early acknowledgement'}, SIGKILL of {killed} at '{token}'",
            predicted,
            lambda: broker.run.delay(LAST),
            within=within,
        )


@pytest.mark.parametrize(
    ("kind", "conf", "killed"),
    [("redis", {"task_acks_late": True}, "self"), ("filesystem", LATE, "group")],
)
def test_late_acknowledgement_alone_loses_what_the_report_remarks(
    stage: Stage, kind: str, conf: dict[str, Any], killed: str
) -> None:
    with broker_of(kind, stage, **conf) as broker:
        job = job_of(broker.run, (ORDER,), {})
        assert job.terms is not None
        remark = " ".join(job.terms.remarks)
        assert ("pool's child is killed" if killed == "self" else "whole worker is killed") in remark
        predicted = stage.predicted(job, "A1!kill", Settings(profile="quick", delivery="at-most-once"))
        broker.work(f"kill {killed}|{ORDER}|1")
        broker.run.delay(ORDER)
        if killed == "group":
            stage.dies()
            broker.work()
        stage.proves(
            f"Celery on {kind}, {conf}, SIGKILL of {killed} at 'A1!kill', as remarked",
            predicted,
            lambda: broker.run.delay(LAST),
            within=10,
            grace=3,
        )


def test_a_visibility_timeout_that_is_over_makes_two_executions_overlap(stage: Stage) -> None:
    with broker_of("redis", stage, 2, worker_prefetch_multiplier=1, **LATE) as broker:
        predicted = stage.predicted(job_of(broker.run, (ORDER,), {}), "A1 B A")
        for _ in range(2):  # whoever of them gets it first
            broker.work(f"hold|{ORDER}|1")
        broker.run.delay(ORDER)
        stage.proves(
            "Celery on redis, a task that is longer than the visibility timeout: 'A1 B A'",
            predicted,
            lambda: broker.run.delay(LAST),
            within=20,
        )


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_retries_are_counted_alike(stage: Stage, kind: str) -> None:
    with broker_of(kind, stage) as broker:
        job = job_of(broker.fail, (ORDER,), {})
        predicted = stage.predicted(job, "A")
        assert job.retrying.deliveries is not None
        assert predicted.executions == job.retrying.deliveries.executions == 4
        broker.work()
        broker.fail.delay(ORDER)
        stage.proves(
            f"Celery on {kind}, max_retries=3 and a task that always fails",
            predicted,
            lambda: broker.run.delay(LAST),
            within=10,
            grace=1,
        )


def test_a_time_limit_that_is_over_ends_the_task(stage: Stage) -> None:
    with broker_of("redis", stage, task_soft_time_limit=1) as broker:
        predicted = stage.predicted(job_of(broker.run, (ORDER,), {}), "A1!limit")
        broker.work(f"hang|{ORDER}|1")
        broker.run.delay(ORDER)
        stage.proves(
            "Celery on redis, soft_time_limit=1 and a call that hangs: 'A1!limit'",
            predicted,
            lambda: broker.run.delay(LAST),
            within=10,
            grace=2,
        )
