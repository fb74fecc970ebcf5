"""Decorators: the policy of a job that a library retries within one delivery.

A library that the user's program has not imported can have decorated none of its functions: none is imported here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.errors import UsageError

_READERS = {"stamina": "stamina_policy", "tenacity": "tenacity_policy", "backoff": "backoff_policy"}
"""Import name of a library to the module of this package that reads its decorators; stamina uses tenacity itself."""


class UnreadableError(Exception):
    """A decorator's policy cannot be read; the text says which part of it."""


def own_policy(function: Callable[..., Any], name: str) -> RetryPolicy | None:
    """How a library retries a function that it has decorated; None if none has.

    Args:
        function: The job's function.
        name: What to call it.

    Raises:
        UsageError: If it is decorated, and the policy cannot be read.
    """
    readers = [
        (library, importlib.import_module(f"{__package__}.{module}").policy_of)
        for library, module in _READERS.items()
        if sys.modules.get(library) is not None
    ]
    for layer in _layers(function):
        for library, policy_of in readers:
            try:
                policy: RetryPolicy | None = policy_of(layer)
            except UnreadableError as error:
                raise UsageError(
                    f"{name} is retried by {library}, but how cannot be read: {error}. Give the policy yourself: "
                    'policy=RetryPolicy(delays=[1, 2, 4], level="job")'
                ) from error
            if policy is not None:
                return policy
    return None


def _layers(function: Any) -> Iterator[Any]:
    """A function, and what it wraps."""
    known: set[int] = set()
    while function is not None and id(function) not in known:
        known.add(id(function))
        yield function
        function = getattr(function, "__wrapped__", None)
