"""A job system in a version that jobchaos does not know, or a module of the user's own that is called like one."""

from __future__ import annotations

import sys
import types

import pytest

from jobchaos import Settings, adapters, check
from tests.database import Sql


def test_it_owns_no_objects_and_checks_go_on(monkeypatch: pytest.MonkeyPatch, sql: Sql) -> None:
    monkeypatch.setattr(adapters, "_unknown", {})
    monkeypatch.setitem(sys.modules, "apscheduler", types.ModuleType("apscheduler"))
    monkeypatch.setitem(sys.modules, "apscheduler.executors", types.ModuleType("apscheduler.executors"))
    monkeypatch.delitem(sys.modules, "jobchaos.adapters.apscheduler", raising=False)
    assert "APScheduler" not in [adapter.name for adapter in adapters.present()]
    assert list(adapters.unknown()) == ["apscheduler"]

    def set_to() -> None:
        sql("UPDATE users SET points = 5")

    assert check(set_to, faults=["duplicate"], settings=Settings(profile="quick")).status == "holds"


def test_a_suite_is_told_that_its_tasks_are_not_seen(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.makepyfile(dramatiq="def actor(function): ...", test_app="import dramatiq\n\ndef test(): ...\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--jobchaos")
    result.assert_outcomes(passed=1)
    text = " ".join(" ".join(result.outlines).split())
    assert "JC944 jobchaos does not know the version of dramatiq that is imported: its tasks are unseen" in text
