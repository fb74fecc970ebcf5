"""The server starts, and nothing of it stays behind."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import redis

from jobchaos import servers
from jobchaos.errors import MissingExtraError, UsageError


def test_a_server_starts_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_REDIS", raising=False)
    with servers.redis() as url:
        with redis.Redis.from_url(url) as client:
            assert client.dbsize() == 0
            folder = Path(client.config_get("dir")["dir"])
            process = client.info("server")["process_id"]
        assert Path(f"/proc/{process}").exists()
    assert not folder.exists()
    assert not Path(f"/proc/{process}").exists()


def test_an_address_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBCHAOS_REDIS", "redis://cache.example:6380/3")
    with servers.redis() as url:
        assert url == "redis://cache.example:6380/3"


def test_without_any_server_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_REDIS", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"jobchaos\[servers\].*JOBCHAOS_REDIS"), servers.redis():
        pass


def test_a_server_that_does_not_start_shows_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_REDIS", raising=False)
    module = importlib.import_module("jobchaos.servers.redis")
    monkeypatch.setattr(module, "_OPTIONS", ("--appendonly", "perhaps"))
    with pytest.raises(UsageError, match="argument must be 'yes' or 'no'"), servers.redis():
        pass
