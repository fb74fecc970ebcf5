"""Only what is plainly a test resource, or allowed, may be restored."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from jobchaos.errors import UnsafeRestoreError, UsageError
from jobchaos.stores.safety import require_test_path


@pytest.mark.parametrize("name", ["app.db", "a/b/app.db", "latest.db"])
def test_directories_for_temporary_files_are_test_resources(tmp_path: Path, name: str) -> None:
    require_test_path(str(tmp_path / name), ())


def test_the_directory_that_python_was_told_to_use_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/srv/scratch")
    require_test_path("/srv/scratch/app.db", ())
    with pytest.raises(UnsafeRestoreError):
        require_test_path("/srv/scratched/app.db", ())


@pytest.mark.parametrize("name", ["test.db", "app_test.db", "tests", "TEST.sqlite3", "my-test-data", "test_1.db"])
def test_the_word_test_in_the_name_is_enough(production: Path, name: str) -> None:
    require_test_path(str(production / name), ())


@pytest.mark.parametrize("name", ["app.db", "latest.db", "contest.db", "testament.db", "attestation", "fastest"])
def test_other_names_are_refused_and_told_what_to_do(production: Path, name: str) -> None:
    path = str(production / name)
    with pytest.raises(UnsafeRestoreError, match="not plainly a test resource") as caught:
        require_test_path(path, ())
    assert isinstance(caught.value, UsageError)
    assert str(caught.value).startswith(path)
    assert f"allow=[{path!r}]" in str(caught.value)


def test_only_the_last_part_of_a_path_is_its_name(production: Path) -> None:
    with pytest.raises(UnsafeRestoreError):
        require_test_path(str(production / "tests" / "app.db"), ())


def test_what_is_allowed_includes_all_below_it(production: Path) -> None:
    allow = ["/elsewhere", str(production / "data")]
    for path in (production / "data", production / "data" / "a" / "app.db"):
        require_test_path(str(path), allow)
    for path in (production / "database", production / "app.db", production):
        with pytest.raises(UnsafeRestoreError):
            require_test_path(str(path), allow)


def test_an_allowed_path_may_end_with_a_slash_or_be_relative(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(production)
    require_test_path(str(production / "data" / "app.db"), [str(production / "data") + os.sep])
    require_test_path(str(production / "data" / "app.db"), ["data"])


def test_the_root_may_be_allowed() -> None:
    require_test_path("/srv/app.db", ["/"])


def test_a_link_is_what_it_leads_to(production: Path) -> None:
    (production / "real.db").touch()
    link = production / "test.db"
    link.symlink_to(production / "real.db")
    with pytest.raises(UnsafeRestoreError):
        require_test_path(str(link), ())
    require_test_path(str(link), [str(production / "real.db")])
    require_test_path(str(production / "real.db"), [str(link)])


def test_dots_do_not_lead_out_of_what_is_allowed(production: Path) -> None:
    (production / "data").mkdir()
    with pytest.raises(UnsafeRestoreError):
        require_test_path(str(production / "data" / ".." / "app.db"), [str(production / "data")])


@pytest.mark.parametrize("path", [tempfile.gettempdir(), "/tmp", "/var/tmp"])
def test_a_directory_that_all_programs_share_is_refused(path: str) -> None:
    with pytest.raises(UnsafeRestoreError):  # to restore it would remove what others have put there meanwhile
        require_test_path(path, ())
