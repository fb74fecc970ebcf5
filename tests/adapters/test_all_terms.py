"""What each system does with a job is read from it and told, and what a fixture is given is its own object."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobchaos import Verdict
from jobchaos.core.terms import AfterKill
from jobchaos.errors import JobChaosError
from tests.adapters import following
from tests.adapters.following import SYSTEMS, System
from tests.database import Sql


@pytest.fixture(params=SYSTEMS, ids=lambda system: system.__name__.lower())
def system(request: pytest.FixtureRequest, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> System:
    """One whose broker must never be contacted."""
    made: System = request.param()
    monkeypatch.setattr(following, "run", sql)
    return made


def test_a_fixture_takes_the_object_that_is_enqueued(
    system: System, sql: Sql, run_twice: Callable[..., Verdict]
) -> None:
    task, args, kwargs = system.given("adds", 5)
    with pytest.raises(JobChaosError, match=r"JC103 duplicate: adds\(.*5\) leaves users.points = 10"):
        run_twice(task, *args, **kwargs)
    task, args, kwargs = system.given("closes", 5)
    assert run_twice(task, *args, **kwargs).status == "holds"


TERMS = {
    "Celery": ("Celery", "delivery", AfterKill.LOST, "nowhere: its state is FAILURE", None),
    "RQ": ("RQ", "body", AfterKill.LOST, "in the FailedJobRegistry", None),
    "Dramatiq": ("Dramatiq", "delivery", AfterKill.REDELIVERED, "in the dead letter queue", 600),
    "Huey": ("Huey", "delivery", AfterKill.LOST, "nowhere: its error is its result", None),
    "Procrastinate": ("Procrastinate", "body", AfterKill.STUCK, "in its table, with status failed", None),
    "DjangoTasks": ("Django tasks", "body", AfterKill.LOST, "in its backend, with status FAILED", None),
    "TaskIQ": ("TaskIQ", "delivery", AfterKill.LOST, "nowhere: its error is its result", None),
    "Arq": ("arq", "body", AfterKill.REDELIVERED, "nowhere: its error is its result", 300),
}
REPEATS = {"delivery": "a whole delivery (same id and retry count", "body": "the job's function, without"}


def test_its_terms_are_read_and_told(system: System, run_twice: Callable[..., Verdict]) -> None:
    name, level, after_kill, dead_letter, limit = TERMS[type(system).__name__]
    terms = system.job("closes", 5).terms
    assert terms is not None
    assert (terms.system, terms.level, terms.after_kill, terms.soft_limit) == (name, level, after_kill, limit)
    task, args, kwargs = system.given("closes", 5)
    notes = " | ".join(run_twice(task, *args, **kwargs).notes)
    assert f"{name}: each attempt repeats {REPEATS[level]}" in notes
    assert f"{name}: when a worker is killed, its message {after_kill.value} ({terms.because})" in notes
    assert f"{name}: a message whose retries are spent ends {dead_letter}" in notes
    assert (f"after {limit} s the job gets" in notes) is (limit is not None)
