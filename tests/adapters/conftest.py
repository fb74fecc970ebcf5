"""A stage for what real workers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.reality import Stage, forget, redis_url, scenario


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """One scenario, after which no process is left."""
    with scenario(tmp_path, monkeypatch) as stage:
        yield stage


@pytest.fixture
def redis_broker(stage: Stage) -> Iterator[str]:
    """The URL of a Redis server, on which nothing of the scenario is left at its end."""
    redis = pytest.importorskip("redis")
    url = redis_url()
    yield url
    stage.end()
    with redis.Redis.from_url(url) as connection:
        forget(connection, stage.name)
