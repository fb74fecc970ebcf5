"""Random values are the same in every run, differ between copies and attempts, and leave the user's own alone."""

from __future__ import annotations

import os
import random
import secrets
import tempfile
import uuid
from collections.abc import Callable
from random import choice
from random import random as early_random

import pytest

from jobchaos.probes.entropy import EntropyProbe
from tests.probes.conftest import Watch

SOURCES: dict[str, Callable[[], object]] = {
    "os.urandom": lambda: os.urandom(8),
    "uuid4": uuid.uuid4,
    "secrets": lambda: secrets.token_urlsafe(8),
    "secrets.choice": lambda: secrets.choice(range(10**9)),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "random.random": lambda: random.random(),
    "early random": lambda: early_random(),
    "early choice": lambda: choice(range(10**9)),
    "shuffle": lambda: random.sample(range(100), 20),
    "Random()": lambda: random.Random().random(),
    "temporary name": lambda: os.path.basename(tempfile.mktemp()),
    "gauss": lambda: random.gauss(0, 1),
}


def draw(watch: Watch, source: Callable[[], object], token: str, seed: int = 0) -> tuple[list[object], EntropyProbe]:
    drawn: list[object] = []
    entropy = EntropyProbe(watch.bindings)
    entropy.start_run(seed)
    watch(lambda: drawn.append(source()), token, entropy)
    return drawn, entropy


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_same_seed_gives_the_same_values(watch: Watch, source: Callable[[], object]) -> None:
    first, entropy = draw(watch, source, "A A B")
    second, _ = draw(watch, source, "A A B")
    other, _ = draw(watch, source, "A A B", seed=1)
    assert first == second
    assert len(set(map(repr, first))) == 3
    assert first != other
    assert entropy.used


def test_the_bytes_handed_out_are_remembered(watch: Watch) -> None:
    (token,), entropy = draw(watch, uuid.uuid4, "A")
    (chunk,) = entropy.chunks
    assert uuid.UUID(bytes=chunk, version=4) == token


def test_the_users_own_random_state_is_not_touched(watch: Watch) -> None:
    state = random.getstate()
    draw(watch, lambda: random.random(), "A A")
    assert random.getstate() == state


def test_seeding_in_the_job_works_and_stays_in_the_job(watch: Watch) -> None:
    def job() -> float:
        random.seed(7)
        return random.random()

    state = random.getstate()
    (first, second), _ = draw(watch, job, "A A")
    assert first == second == random.Random(7).random()
    assert random.getstate() == state


def test_everything_is_back_afterwards(watch: Watch) -> None:
    before = os.urandom, random.random, random.Random.seed, choice
    draw(watch, lambda: choice([1]), "A")
    assert (os.urandom, random.random, random.Random.seed, choice) == before
    assert os.urandom(8) != os.urandom(8)


def test_uuid1_does_not_go_on_from_the_last_run(watch: Watch) -> None:
    entropy = EntropyProbe(watch.bindings)
    uuid._last_timestamp = 2**60  # type: ignore[attr-defined]
    entropy.start_run(0)
    assert uuid._last_timestamp is None  # type: ignore[attr-defined]


def test_uuid1_starts_no_program_to_find_the_machines_number(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uuid, "_node", None)
    monkeypatch.setattr(uuid, "_generate_time_safe", None)  # as freezegun leaves it
    monkeypatch.setattr("subprocess.Popen", None)
    (drawn,), _ = draw(watch, uuid.uuid1, "A")
    assert isinstance(drawn, uuid.UUID)
    assert drawn.node >> 40 & 1, "a made up number is marked as one"
    assert vars(uuid)["_node"] is None
