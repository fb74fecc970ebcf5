"""A library that the job is the first to import is watched from its first call on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jobchaos.core.effect import Effect
from jobchaos.probes.library import LibraryProbe
from tests.probes.conftest import Watch, seen

NAME = "jobchaos_test_rockets"


class RocketProbe(LibraryProbe):
    library = NAME

    def watch(self) -> None:
        module: ModuleType = sys.modules[NAME]
        genuine = module.launch

        def launch() -> None:
            worker = self.worker()
            if worker is not None:
                worker.begin(Effect("rocket", "launch"), RuntimeError).done()
            genuine()

        self.patches.set(module, "launch", launch)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / f"{NAME}.py").write_text("def launch(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop(NAME, None)


def job() -> None:
    import jobchaos_test_rockets  # type: ignore[import-not-found]

    jobchaos_test_rockets.launch()


def test_nothing_is_imported_for_the_users_sake(watch: Watch, library: None) -> None:
    watch(lambda: None, "A", RocketProbe())
    assert NAME not in sys.modules


def test_a_first_import_is_noticed(watch: Watch, library: None) -> None:
    before = list(sys.meta_path)
    assert seen(watch(job, "A", RocketProbe())) == ["launch"]
    assert sys.meta_path == before
    assert sys.modules[NAME].launch.__module__ == NAME


def test_one_that_is_loaded_already_is_watched_too(watch: Watch, library: None) -> None:
    job()
    assert seen(watch(job, "A", RocketProbe())) == ["launch"]


def test_a_library_that_is_not_there_stays_missing(watch: Watch) -> None:
    with pytest.raises(ModuleNotFoundError):
        job()
    run = watch(job, "A", RocketProbe())
    assert "ModuleNotFoundError" in run.copies["A"].error
