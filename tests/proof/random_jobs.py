"""Jobs made of random steps, as nobody would write them, and as somebody may have."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from tests.proof import place
from tests.proof.jobs import connected, put, value

Act = Callable[[sqlite3.Connection], object]
_NAMES = ("a", "b", "sent")
_MOST = 5


@dataclass(frozen=True)
class Step:
    """A part of a job.

    Attributes:
        text: What it does.
        effects: How many effects it has at most.
        act: Does it.
    """

    text: str
    effects: int
    act: Act


def random_job(seed: int) -> tuple[str, Callable[[], None]]:
    """What a job does, and the job: up to five effects."""
    chance = random.Random(seed)
    steps: list[Step] = []
    while sum(step.effects for step in steps) < _MOST - 1:
        step = _transaction(chance) if chance.random() < 0.2 else _perhaps(chance, _step(chance, in_database=False))
        if sum(one.effects for one in (*steps, step)) > _MOST:
            break
        steps.append(step)

    def job() -> None:
        with connected() as db:
            for step in steps:
                step.act(db)

    return " | ".join(step.text for step in steps), job


def _perhaps(chance: random.Random, step: Step) -> Step:
    """The step itself, or one that looks before."""
    name, number = chance.choice(_NAMES), chance.randrange(3)
    if chance.random() < 0.7:
        return step

    def look_first(db: sqlite3.Connection) -> None:
        if value(db, name) == number:
            step.act(db)

    return Step(f"if {name} == {number}: {step.text}", step.effects + 1, look_first)


def _transaction(chance: random.Random) -> Step:
    begin = chance.choice(("BEGIN", "BEGIN IMMEDIATE"))
    inner = [_step(chance, in_database=True) for _ in range(chance.randint(1, 2))]

    def act(db: sqlite3.Connection) -> None:
        db.execute(begin)
        try:
            for step in inner:
                step.act(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    text = f"{begin} [{'; '.join(step.text for step in inner)}]"
    return Step(text, 2 + sum(step.effects for step in inner), act)


def _step(chance: random.Random, *, in_database: bool) -> Step:
    steps = _statements(chance)
    return chance.choice(steps if in_database else [*steps, *_FILES])


def _statements(chance: random.Random) -> list[Step]:
    name, other, number = chance.choice(_NAMES), chance.choice(_NAMES), chance.randrange(4)
    new = f"n{number}"

    def sql(text: str, *values: object) -> Step:
        return Step(f"{text} {values}", 1, lambda db: db.execute(text, values))

    return [
        sql("UPDATE counters SET value = ? WHERE name = ?", number, name),
        sql("UPDATE counters SET value = value + 1 WHERE name = ?", name),
        sql("UPDATE counters SET value = value * 2 WHERE name = ?", name),
        sql("UPDATE counters SET value = value + 1"),
        sql("UPDATE counters SET value = ? WHERE name = ? AND value = ?", number + 1, name, number),
        sql("UPDATE counters SET value = (SELECT count(*) FROM log) WHERE name = ?", name),
        sql("UPDATE OR IGNORE counters SET name = 'n9' WHERE name = ?", new),
        sql("INSERT INTO log VALUES (?)", new),
        sql("INSERT INTO log SELECT 'x' WHERE NOT EXISTS (SELECT 1 FROM log WHERE entry = 'x')"),
        sql("INSERT INTO counters VALUES (?, 1)", new),
        sql("INSERT OR IGNORE INTO counters VALUES (?, 1)", new),
        sql("INSERT INTO counters VALUES (?, 1) ON CONFLICT(name) DO UPDATE SET value = value + 1", new),
        sql("DELETE FROM counters WHERE name = ?", new),
        sql("DELETE FROM counters WHERE value > 2 AND name LIKE 'n%'"),
        Step(f"{name} = {other} + 1", 2, lambda db: put(db, name, value(db, other) + 1)),
    ]


def _append(_db: sqlite3.Connection) -> None:
    with (place.folder / "log.txt").open("a") as file:
        file.write("line\n")


def _create(_db: sqlite3.Connection) -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(place.folder / "done", os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def _move(_db: sqlite3.Connection) -> None:
    with contextlib.suppress(FileNotFoundError):
        (place.folder / "new.txt").replace(place.folder / "old.txt")


def _remove_folder(_db: sqlite3.Connection) -> None:
    with contextlib.suppress(FileNotFoundError):
        (place.folder / "folder").rmdir()


_FILES = [
    Step("append a line", 2, _append),
    Step("write a file", 2, lambda _: (place.folder / "new.txt").write_text("text")),
    Step("remove a file", 1, lambda _: (place.folder / "new.txt").unlink(missing_ok=True)),
    Step("move a file", 1, _move),
    Step("create a file once", 1, _create),
    Step("make a folder", 1, lambda _: (place.folder / "folder").mkdir(exist_ok=True)),
    Step("remove a folder", 1, _remove_folder),
]
