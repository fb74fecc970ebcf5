"""Django tasks: what we predict is what a real worker of django-tasks-db does, killed with SIGKILL."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from jobchaos.adapted import job_of
from tests.adapters.reality import LAST, ORDER, Stage

pytest.importorskip("django_tasks")
pytest.importorskip("django_tasks_db")

from django.conf import settings

from tests.adapters import django_site, django_tasks_app

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("task", "trouble", "token", "status"),
    [("run", "kill group|order|1", "A1!kill", "RUNNING"), ("fail", "", "A", "FAILED")],
)
def test_what_a_worker_does(stage: Stage, task: str, trouble: str, token: str, status: str) -> None:
    if django_site.BACKEND not in getattr(settings, "TASKS", {}):
        pytest.skip("another Django site was configured in this process before")
    database = str(stage.folder / "site.db")

    def manage(*command: str, trouble: str = "") -> None:
        stage.work("tests.adapters.django_tasks_app", *command, trouble=trouble, JOBCHAOS_TEST_BROKER=database)

    def enqueue(name: str, order: str) -> None:
        manage("enqueue", name, order)
        stage.dies()

    predicted = stage.predicted(job_of(django_tasks_app.tasks()[task], (ORDER,), {}), token)
    enqueue(task, ORDER)
    worker = ("db_worker", "--backend", django_site.BACKEND, "--interval", "0.1", "--no-startup-delay", "--no-reload")
    manage(*worker, trouble=trouble)
    if "kill" in trouble:
        stage.dies()
        manage(*worker)
    what = f"Django tasks, DatabaseBackend, {task}, {trouble or 'which always fails'}: '{token}', then {status}"
    stage.proves(what, predicted, lambda: enqueue("run", LAST), within=10, grace=0.5)
    with closing(sqlite3.connect(database)) as connection:
        (table,) = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%dbtaskresult'").fetchone()
        rows = connection.execute(f"SELECT status FROM {table} ORDER BY enqueued_at").fetchall()
    assert rows[0] == (status,)
