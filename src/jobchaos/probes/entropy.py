"""EntropyProbe: every run is handed the same random values, and remembers which.

Two copies of a job, and two attempts of one copy, draw different values, as they would in production. What one run's
A draws in its first attempt, every other run's A draws there, too.
"""

from __future__ import annotations

import os
import random
import tempfile
import uuid
from collections.abc import Callable
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings

_urandom = os.urandom
_seed = random.Random.seed
_NODE = 0x0BADC0FFEE00
"""The machine's number in `uuid1`, marked as a made up one (RFC 9562, 6.10). Python would run programs to find it."""
_shared: random.Random = random._inst  # noqa: SLF001 - the object behind random.random()


class EntropyProbe(BaseProbe):
    """Replaces the operating system's randomness and the `random` module's functions for controlled workers.

    `uuid.uuid4`, `secrets`, `tempfile`'s names and unseeded `random.Random()` objects draw from these.

    Args:
        bindings: Finds other names of the functions.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._patches = Patches()
        self._control: Control | None = None
        self._seed = 0
        self._sources: dict[tuple[str, str, int], random.Random] = {}
        self._names: dict[tuple[str, int], Any] = {}
        self.chunks: list[bytes] = []
        """The byte strings handed out since `start_run`."""
        self.used = False
        """True if any random value was drawn since `start_run`."""

    def start_run(self, seed: int) -> None:
        """Begin a run: the same seed gives the same values."""
        self._seed = seed
        self._sources.clear()
        self._names.clear()
        self.chunks, self.used = [], False
        uuid._last_timestamp = None  # type: ignore[attr-defined]  # noqa: SLF001 - uuid1 goes on counting from there

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.set(os, "urandom", self._bytes)
        self._patches.set(random, "_urandom", os.urandom)
        self._bindings.replace(_urandom, os.urandom)
        self._patches.set(random.Random, "seed", self._seeding())
        self._patches.set(uuid, "_node", _NODE)
        self._patches.set(tempfile, "_get_candidate_names", self._candidate_names(tempfile._get_candidate_names))  # type: ignore[attr-defined]  # noqa: SLF001
        for name, original in list(vars(random).items()):
            if getattr(original, "__self__", None) is _shared:
                replacement = self._method(name)
                self._patches.set(random, name, replacement)
                self._bindings.replace(original, replacement)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _worker(self) -> Worker | None:
        return None if self._control is None else self._control.current()

    def _source(self, kind: str, worker: Worker) -> random.Random:
        self.used = True
        key = kind, worker.copy, worker.attempt
        if key not in self._sources:
            self._sources[key] = random.Random(f"{self._seed}:{kind}:{worker.copy}:{worker.attempt}")  # noqa: S311
        return self._sources[key]

    def _bytes(self, size: int, /) -> bytes:
        worker = self._worker()
        if worker is None:
            return _urandom(size)
        chunk = self._source("bytes", worker).randbytes(size)
        self.chunks.append(chunk)
        return chunk

    def _method(self, name: str) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            worker = self._worker()
            source = _shared if worker is None else self._source("numbers", worker)
            return getattr(source, name)(*args, **kwargs)

        method.__name__ = name
        return method

    def _seeding(self) -> Callable[..., None]:
        def seed(target: random.Random, a: Any = None, version: int = 2) -> None:
            worker = self._worker()
            if a is None and worker is not None:
                a = self._source("seeds", worker).getrandbits(256)
            _seed(target, a, version)

        return seed

    def _candidate_names(self, genuine: Callable[[], Any]) -> Callable[[], Any]:
        def names() -> Any:
            worker = self._worker()
            if worker is None:
                return genuine()
            # Of its own for each attempt, or the second run would go on where the first has stopped.
            key = worker.copy, worker.attempt
            if key not in self._names:
                self._names[key] = tempfile._RandomNameSequence()  # type: ignore[attr-defined]  # noqa: SLF001
            return self._names[key]

        return names
