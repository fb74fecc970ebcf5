"""Named: functions that are tasks, though nothing in a suite tells that of them: the user does."""

from __future__ import annotations

import fnmatch
import sys
import types
from collections.abc import Iterable, Iterator, Sequence

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.core.adapter import Around, Learner
from jobchaos.core.project import is_project_file


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
        for module in tuple(sys.modules.values()):
            if is_project_file(getattr(module, "__file__", None) or "<unknown>"):
                for function in _functions(module):
                    texts = function.__qualname__, f"{function.__module__}.{function.__qualname__}"
                    if any(fnmatch.fnmatchcase(text, pattern) for text in texts for pattern in self._patterns):
                        yield function


def _functions(module: types.ModuleType) -> Iterator[types.FunctionType]:
    """A module's own functions, and the methods of its own classes."""
    for thing in tuple(vars(module).values()):
        if getattr(thing, "__module__", None) == module.__name__:
            for each in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
                if isinstance(each, types.FunctionType):
                    yield each
