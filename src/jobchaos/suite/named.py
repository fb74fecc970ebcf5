"""Named: functions that are tasks, though nothing in a suite tells that of them: the user does."""

from __future__ import annotations

import fnmatch
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.core.adapter import Around, Learner
from jobchaos.probes.loaded import loaded


class Named:
    """Watches them.

    Args:
        patterns: Of their names, with or without the module: `shop.jobs.send_*`, `Billing.charge`.
        around: Is handed the executions.
    """

    def __init__(self, patterns: Sequence[str], around: Around) -> None:
        self._patterns = patterns
        self._direct = DirectCalls(around)

    def refresh(self, learners: Iterable[Learner]) -> None:
        """Watch those of the project's own modules that are imported by now.

        Args:
            learners: Of the systems that are in use. The first one that could run a function owns it.
        """
        for function in self._found() if self._patterns else ():
            plain = next(filter(None, (learner.plain(function) for learner in learners)), None)
            if plain is not None:
                self._direct.watch(*plain)

    def close(self) -> None:
        """Stop watching."""
        self._direct.close()

    def _found(self) -> Iterator[types.FunctionType]:
        for namespace in loaded().project:
            for function in _functions(namespace):
                texts = function.__qualname__, f"{function.__module__}.{function.__qualname__}"
                if any(fnmatch.fnmatchcase(text, pattern) for text in texts for pattern in self._patterns):
                    yield function


def _functions(namespace: Mapping[str, Any]) -> Iterator[types.FunctionType]:
    """A module's own functions, and the methods of its own classes. Nothing is asked of other objects: types decide."""
    for thing in tuple(namespace.values()):
        if issubclass(type(thing), type | types.FunctionType) and thing.__module__ == namespace.get("__name__"):
            for each in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
                if type(each) is types.FunctionType:
                    yield each
