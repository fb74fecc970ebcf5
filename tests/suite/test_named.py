"""Functions that the user names as tasks are found among all that the project's modules hold."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobchaos.core.adapter import Learner, Plain
from jobchaos.suite.named import Named

MODULE = """
from os.path import join

class Lazy:
    def __getattribute__(self, name):
        raise AssertionError(f"asked for {name}")

class Account:
    def charge(self): ...

lazy = Lazy()
def charge(): ...
def refund(): ...
"""


class Learning(Learner):
    """Tells what it was asked about of one module: the process may have others with such names."""

    def __init__(self) -> None:
        self.learned: list[Plain] = []
        self.asked: list[str] = []

    def plain(self, function: Any) -> None:
        if function.__module__ == "named_jobs":
            self.asked.append(function.__qualname__)


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Learning]:
    (tmp_path / "named_jobs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("named_jobs")
    yield Learning()
    del sys.modules["named_jobs"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("named_jobs.charge", ["charge"]),
        ("Account.*", ["Account.charge"]),
        ("named_jobs.*", ["Account.charge", "Lazy.__getattribute__", "charge", "refund"]),
        ("named_jobs.join", []),
    ],
)
def test_nothing_is_asked_of_objects_that_are_no_functions(learner: Learning, pattern: str, names: list[str]) -> None:
    named = Named([pattern], around=lambda *_: None)
    named.refresh([learner])
    named.close()
    assert sorted(learner.asked) == names
