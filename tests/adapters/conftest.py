"""A stage for what real workers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.reality import Stage, scenario


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """One scenario, after which no process is left."""
    with scenario(tmp_path, monkeypatch) as stage:
        yield stage
