"""Names bound early, and names bound by modules that the job itself imports, are replaced and put back."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import pytest

from jobchaos.probes.bindings import Bindings
from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, seen


@pytest.fixture
def late_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "imported_by_the_job.py").write_text("from time import sleep\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "imported_by_the_job", raising=False)
    return "imported_by_the_job"


def test_a_module_first_imported_by_the_job_is_watched_in_every_check(watch: Watch, late_module: str) -> None:
    def job() -> None:
        importlib.import_module(late_module).sleep(1)

    for _ in range(2):
        assert seen(watch(job, "A", SleepProbe(watch.bindings))) == ["sleep 1 s"]
        assert sys.modules[late_module].sleep is time.sleep
    assert "replacement" not in time.sleep.__name__


def test_the_standard_library_keeps_its_own_names(watch: Watch) -> None:
    import threading

    genuine = threading._time  # type: ignore[attr-defined]
    bindings = Bindings()
    bindings.replace(genuine, lambda: 0.0)
    watch.bindings = bindings
    watch(lambda: None, "A")
    assert threading._time is genuine  # type: ignore[attr-defined]


def test_a_name_that_an_installed_module_has_got_since_the_last_check_is_replaced(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "installed.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(packages)
    module = importlib.import_module("installed")

    def job() -> None:
        getattr(module, "sleep", lambda _: None)(1)

    assert seen(watch(job, "A", SleepProbe(watch.bindings))) == []
    vars(module)["sleep"] = time.sleep
    assert seen(watch(job, "A", SleepProbe(watch.bindings))) == ["sleep 1 s"]
