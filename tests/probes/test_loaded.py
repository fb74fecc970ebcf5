"""The modules that there are: the same value while they are the same, and exact when they are not."""

from __future__ import annotations

import gc
import importlib
import sys
from pathlib import Path

import pytest

from jobchaos.probes.loaded import loaded


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_same_value_while_nothing_is_imported() -> None:
    assert loaded() is loaded()


def test_the_projects_modules_are_told_from_installed_ones_and_from_our_own(project: Path) -> None:
    (project / "of_the_project.py").write_text("x = 1\n")
    module = importlib.import_module("of_the_project")
    now = loaded()
    assert any(namespace is vars(module) for namespace in now.project)
    assert not any(namespace is vars(pytest) for namespace in now.project)
    assert {"of_the_project", "pytest"} <= now.namespaces.keys()
    assert not {"sys", "importlib", "jobchaos", "jobchaos.probes.loaded"} & now.namespaces.keys()
    assert "sys" in now.names


def test_a_module_in_the_place_of_another_one_of_that_name_is_seen(project: Path) -> None:
    (project / "replaced.py").write_text("x = 1\n")
    importlib.import_module("replaced")
    before = loaded()
    del sys.modules["replaced"]  # as many modules as before, and the new one may lie where the old one lay
    gc.collect()
    module = importlib.import_module("replaced")
    now = loaded()
    assert now is not before
    assert any(namespace is vars(module) for namespace in now.project)
