"""Stores are bound just before the first touch, the user's own first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.engine.world import World
from jobchaos.errors import LossError


@dataclass
class Cell:
    """A store of one value."""

    name: str = "cell"
    prefix: str = "cell:"
    value: int = 0
    captured: int | None = None
    log: list[str] = field(default_factory=list)

    def covers(self, resource: str) -> bool:
        return resource.startswith(self.prefix)

    def announce(self, resource: str) -> None:
        self.log.append(resource)

    def capture(self) -> None:
        self.captured = self.value

    def restore(self) -> None:
        assert self.captured is not None
        self.value = self.captured

    def snapshot(self) -> Snapshot:
        return Snapshot({self.name: Table(("value",), ((self.value,),))})

    def close(self) -> None:
        self.log.append("closed")


class Memory(Cell):
    """One that a dying worker can still change."""

    in_process = True

    def hold(self) -> Any:
        return self.value

    def put_back(self, held: Any) -> None:
        self.value = held


class Letters(Cell):
    """A ledger."""

    def record(self, foreign: Foreign) -> None:
        self.value += 1


def test_a_store_is_made_at_the_first_touch_and_only_once() -> None:
    made: list[Cell] = []

    def factory(_resource: str) -> Cell:
        made.append(Cell(value=7))
        return made[-1]

    world = World(factory)
    for resource in ("cell:a", "cell:a", "cell:b"):
        world.announce(resource)
    (cell,) = made
    assert cell.log == ["cell:a", "cell:b"]
    assert world.initial["cell"].tables["cell"].rows == ((7,),)


def test_the_users_store_wins() -> None:
    def never(_resource: str) -> Cell:
        raise AssertionError("the user's store covers it")

    world = World(never)
    world.add(Cell())
    world.announce("cell:a")


def test_a_resource_without_a_store_is_remembered_once() -> None:
    world = World(lambda _: None)
    world.announce("queue:a")
    world.announce("queue:a")
    assert world.unstored == ["queue:a"]


def test_stores_of_the_same_name_are_told_apart() -> None:
    world = World(lambda _: None)
    world.add(Cell(prefix="cell:a"))
    world.add(Cell(prefix="cell:b"))
    assert list(world.snapshot()) == ["cell", "cell (2)"]


def test_foreign_effects_reach_their_ledger() -> None:
    letters = Letters(name="mail", prefix="mail:")
    world = World(lambda _: letters)
    world.record(Foreign("mail", (), ()))
    assert letters.value == 1
    assert world.ledgers == {"mail"}
    world.restore()
    assert letters.value == 0


def test_memory_is_lost_in_a_crash_and_is_no_state_until_promoted() -> None:
    memory = Memory()
    world = World(lambda _: None)
    world.remember(memory)
    memory.value = 5
    assert world.snapshot() == {}
    world.lose_memory()
    assert memory.value == 0
    memory.value = 6
    world.promote_memory()
    assert memory.value == 0
    assert list(world.snapshot()) == ["cell"]
    memory.value = 8
    ((store, held),) = world.hold()
    memory.value = 9
    store.put_back(held)
    assert memory.value == 8


def test_a_change_that_no_effect_explains_is_noticed() -> None:
    cell = Cell()
    world = World(lambda _: None)
    world.add(cell)
    cell.value = 1
    effect = Effect("step", "write", (Touch("cell:a", Mode.WRITE),))
    explained = Trace((TraceEvent(Happening.EFFECT, "A", 1, effect, "", 0),))
    assert world.unseen(world.snapshot(), Trace(())) == ["cell"]
    assert world.unseen(world.snapshot(), explained) == []


def test_closing_closes_all() -> None:
    cells = [Cell(prefix="a"), Cell(prefix="b")]
    world = World(lambda _: None)
    for cell in cells:
        world.add(cell)
    world.close()
    assert [cell.log for cell in cells] == [["closed"], ["closed"]]


class Gone(Cell):
    """One whose server is no more."""

    def restore(self) -> None:
        raise LossError(f"{self.name} was lost.", "JC913")

    def close(self) -> None:
        self.restore()


def test_a_store_that_is_lost_keeps_none_of_the_others_from_going_back() -> None:
    world, cell = World(lambda _: None), Cell()
    for store in (Gone("first", "first:"), cell, Gone("second", "second:")):
        world.add(store)
    cell.value = 7
    with pytest.raises(LossError, match=r"^first was lost\. Moreover, second was lost\.$") as caught:
        world.give_back()
    assert caught.value.code == "JC913"
    assert cell.value == 0
    with pytest.raises(LossError, match="first was lost"):
        world.close()
    assert cell.log == ["closed"]


class Slow(Memory):
    """One that takes its time to be remembered."""

    holds_slowly = True


def test_what_is_there_is_kept_if_that_is_possible_and_fast() -> None:
    world, memory = World(lambda _: None), Memory()
    world.add(memory)
    memory.value = 3
    kept = world.keep()
    assert kept is not None
    world.restore()
    world.put_back(kept)
    assert memory.value == 3


@pytest.mark.parametrize("store", [Cell("other"), Slow("slow")])
def test_else_nothing_is_kept(store: Cell) -> None:
    world = World(lambda _: None)
    world.add(Memory())
    world.add(store)
    assert world.keep() is None
