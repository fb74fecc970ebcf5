"""Zero-change mode: fakes that give each request another answer, whatever its idempotency key is."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes
from tests.plugin import tiny
from tests.plugin.conftest import Runs

pytest.importorskip("requests")
pytest.importorskip("responses")
pytest.importorskip("httpx")
pytest.importorskip("respx")

TASKS = """
import httpx
import jobs
import requests
from tiny import task


def pays(post, key):
    for name in key:
        answer = post("https://pay.example/charges", headers={"Idempotency-Key": name} if name else {})
        jobs.run(f"UPDATE users SET points = {answer.json()['number']} WHERE id = 1")


@task
def by_requests(*keys):
    pays(requests.post, keys)


@task
def by_httpx(*keys):
    pays(httpx.post, keys)
"""

TESTS = """
import httpx
import responses
import respx

import tasks

@responses.activate
def test_requests():
    for number in (1, 2, 3, 4):
        responses.post("https://pay.example/charges", json={"number": number})
    tasks.by_requests("KEY")

@respx.mock
def test_httpx():
    answers = [httpx.Response(200, json={"number": number}) for number in (1, 2, 3, 4)]
    respx.post("https://pay.example/charges").mock(side_effect=answers)
    tasks.by_httpx("KEY")
"""


@pytest.fixture(autouse=True)
def project_with_tasks(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobchaos.adapters.present", tiny.present)
    project.makepyfile(tiny=tiny.MODULE, tasks=TASKS)


def test_another_answer_to_a_request_that_is_the_same_by_its_key_shows_nothing(runs: Runs) -> None:
    result = runs(TESTS.replace("KEY", "invoice 1"), "--jobchaos")
    result.assert_outcomes(passed=2)
    assert causes(result) == []


def test_without_a_key_it_is_another_request(runs: Runs) -> None:
    result = runs(TESTS.replace("KEY", ""), "--jobchaos")
    assert causes(result) == [("JC101", "A", "tasks.by_httpx"), ("JC101", "A", "tasks.by_requests")]
