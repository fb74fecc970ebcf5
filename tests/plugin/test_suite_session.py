"""Which module something in a test's module is from: so it is known which tests may call a function themselves."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any

import pytest

from jobchaos.pytest_plugin.suite_session import _home_of


class Lazy:
    """Like an object that asks for its configuration first."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattribute__(self, name: str) -> Any:
        if name == "__module__":
            raise object.__getattribute__(self, "_error")
        return object.__getattribute__(self, name)


@pytest.mark.parametrize(
    ("thing", "home"),
    [
        (os, "os"),
        (os.path.join, os.path.__name__),
        (OrderedDict, "collections"),
        (threading.Event(), "threading"),
        (5, None),
        (Lazy(RuntimeError("not configured")), None),
        (Lazy(AttributeError("nothing")), None),
    ],
    ids=["module", "function", "class", "object", "number", "raises", "has none"],
)
def test_where_something_is_from(thing: object, home: str | None) -> None:
    assert _home_of(thing) == home
