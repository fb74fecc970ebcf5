"""Django tasks: those of the backport, and those of Django 6."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos import Settings, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

pytest.importorskip("django_tasks")

from tests.adapters import django_site

django_site.ready()

QUICK = Settings(profile="quick")
run: Callable[[str], Any]


def add(points: int) -> None:
    run(f"UPDATE users SET points = points + {points}")


async def set_to(points: int) -> None:
    run(f"UPDATE users SET points = {points}")


def settle(context: Any, user: int) -> None:
    assert context.attempt >= 1
    TASKS["add"].enqueue(user)


async def settle_later(user: int) -> None:
    await TASKS["add"].aenqueue(user)


TASKS: dict[str, Any] = {}


@pytest.fixture(autouse=True, params=django_site.PACKAGES)
def tasks(request: pytest.FixtureRequest, sql: Sql) -> dict[str, Any]:
    global run
    run = sql
    try:
        package = importlib.import_module(request.param)
    except ModuleNotFoundError:
        pytest.skip(f"no {request.param} here")
    backend = django_site.PACKAGES[request.param]
    for function in (add, set_to, settle_later):
        TASKS[function.__name__] = package.task(backend=backend)(function)
    TASKS["settle"] = package.task(backend=backend, takes_context=True)(settle)
    return TASKS


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_tasks_are_checked(sql: Sql) -> None:
    assert codes(check(job_of(TASKS["add"], (5,), {}), faults=["duplicate"], settings=QUICK)) == ["JC103"]
    sql("UPDATE users SET points = 0")
    verdict = check(job_of(TASKS["set_to"], (5,), {}), settings=QUICK)
    assert "JC306" in codes(verdict)
    assert any("what production does, its own backend decides" in note for note in verdict.notes)


def test_an_enqueued_result_is_a_job(sql: Sql) -> None:
    result = TASKS["add"].enqueue(5)
    sql("UPDATE users SET points = 0")
    assert codes(check(job_of(result, (), {}), faults=["duplicate"], settings=QUICK)) == ["JC103"]


@pytest.mark.parametrize("name", ["settle", "settle_later"])
def test_children_are_effects(sql: Sql, name: str) -> None:
    verdict = check(job_of(TASKS[name], (1,), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert verdict.findings[0].message == f"{name}(1) enqueues add(1) twice when it is delivered twice"
    assert sql("SELECT points FROM users") == [(0,)]


def test_executions_are_handed_over(sql: Sql) -> None:
    seen = []

    def around(execution: Execution) -> Any:
        seen.append(execution.task.rpartition(".")[2])
        return execution.run()

    adapter = adapter_of(TASKS["add"])
    assert adapter is not None
    with adapter.executions(around):
        TASKS["add"].enqueue(5)
        TASKS["add"].call(6)
    assert seen == ["add", "add"]
    assert sql("SELECT points FROM users") == [(11,)]


def test_mails_of_each_django_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    mail: Any = importlib.import_module("django.core.mail")
    backend = importlib.import_module("django.core.mail.backends.locmem").EmailBackend
    monkeypatch.setattr(mail, "outbox", [], raising=False)

    def thank(user: int) -> None:
        backend().send_messages([mail.EmailMessage("Thanks", "für alles", "shop@example.com", [f"{user}@example.com"])])

    verdict = check(job_of(thank, (1,), {}), faults=["duplicate"], settings=QUICK)
    assert codes(verdict) == ["JC101"]
    assert "1@example.com" in verdict.findings[0].message
