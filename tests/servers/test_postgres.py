"""The server starts without privileges, and nothing of it stays behind."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import psycopg
import pytest

from jobchaos.errors import MissingExtraError, UsageError
from jobchaos.servers import postgres, unprivileged


def test_a_server_starts_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_POSTGRES", raising=False)
    with postgres() as dsn:
        folder = Path(dsn.rpartition("host=")[2])
        with psycopg.connect(dsn) as connection:
            row = connection.execute("SELECT current_database(), pg_postmaster_start_time() IS NOT NULL").fetchone()
            assert row == ("jobchaos_test", True)
        process = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        assert Path(f"/proc/{process}").exists() or os.name != "posix"
    assert not folder.exists()
    assert not Path(f"/proc/{process}").exists()


def test_an_address_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBCHAOS_POSTGRES", "postgresql://ann@db.example/app_test")
    with postgres() as dsn:
        assert dsn == "postgresql://ann@db.example/app_test"


def test_without_any_server_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_POSTGRES", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    with pytest.raises(MissingExtraError, match=r"jobchaos\[servers\].*JOBCHAOS_POSTGRES"), postgres():
        pass


def test_a_server_that_does_not_start_shows_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_POSTGRES", raising=False)
    settings = importlib.import_module("jobchaos.servers.postgres")._SETTINGS
    monkeypatch.setitem(settings, "shared_buffers", "plenty")
    with pytest.raises(UsageError, match="invalid value for parameter"), postgres():
        pass


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_where_user_namespaces_are_forbidden_root_becomes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_POSTGRES", raising=False)
    monkeypatch.setattr(unprivileged, "_namespaces_work", lambda: False)
    with postgres() as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
