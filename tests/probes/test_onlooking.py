"""Sessions that are only looked on stand in for those of a check: drivers' probes must not notice."""

from __future__ import annotations

import inspect

import pytest

from jobchaos.probes.onlooking import OnlookingSession
from jobchaos.probes.server_session import ServerSession


@pytest.mark.parametrize("name", ["arrive", "silence", "applied"])
def test_they_are_called_alike(name: str) -> None:
    def parameters(kind: type[object]) -> list[tuple[str, object, object]]:
        found = inspect.signature(getattr(kind, name)).parameters.values()
        return [(parameter.name, parameter.kind, parameter.default) for parameter in found]

    assert parameters(OnlookingSession) == parameters(ServerSession)
