"""Effects that the user declares to be idempotent."""

from __future__ import annotations

import pytest

import jobchaos
from jobchaos import UsageError
from jobchaos.adapters.execution import defined_at
from jobchaos.suite.idempotent import Idempotent
from jobchaos.suite.seen import Act


def act(kind: str, text: str) -> Act:
    return Act(kind, text, "", text, "", writes=True, durable=True)


@pytest.mark.parametrize(
    ("line", "task", "kind", "text", "covered"),
    [
        ("mail", "send", "mail", 'SMTP ann "Hello"', True),
        ("POST https://crm.example/*", "send", "http", "POST https://crm.example/people", True),
        ("POST https://crm.example/*", "send", "http", "POST https://pay.example/people", False),
        ("shop.push_*: POST https://crm.example/*", "shop.push_all", "http", "POST https://crm.example/", True),
        ("shop.push_*: POST https://crm.example/*", "shop.pull", "http", "POST https://crm.example/", False),
        ("metrics.incr()", "send", "mock", "metrics.incr()", True),
    ],
)
def test_lines_of_the_ini_file(line: str, task: str, kind: str, text: str, covered: bool) -> None:
    assert Idempotent([line]).covers(task, None, act(kind, text)) is covered


def test_the_decorator_declares_it_for_one_function() -> None:
    @jobchaos.idempotent_effect("PUT *", "mail")
    def pushes() -> None: ...

    def others() -> None: ...

    declared = Idempotent()
    assert declared.covers("pushes", defined_at(pushes), act("http", "PUT https://crm.example/1"))
    assert declared.covers("pushes", defined_at(pushes), act("mail", "SMTP ann"))
    assert not declared.covers("pushes", defined_at(pushes), act("http", "POST https://crm.example/1"))
    assert not declared.covers("others", defined_at(others), act("mail", "SMTP ann"))


def test_mistakes_are_told() -> None:
    with pytest.raises(UsageError, match="takes patterns"):
        jobchaos.idempotent_effect()
    with pytest.raises(UsageError, match="decorates a task or its function; got 3"):
        jobchaos.idempotent_effect("mail")(3)
