"""Time functions that are kept elsewhere than in a module's globals are found, and named."""

from __future__ import annotations

import functools
import sched
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from jobchaos.clock.held import all_held_clocks, held_clocks
from jobchaos.clock.virtual import VirtualClock
from tests.clock.conftest import Controlled

SECOND = 10**9
START = 1_900_000_000 * SECOND
SHOP = """
import functools, time, clocks
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from time import monotonic          # found by freezegun, so not told
from clocks import Machine

class Invoice:
    created = time.time
    made = staticmethod(time.time_ns)
    day = date
    def pay(self, at=datetime.now, *, wait=time.sleep): return at()
    @classmethod
    def today(cls, now=date.today): return now()

class Moment(datetime): ...

@dataclass
class Row:
    at: datetime = field(default_factory=datetime.utcnow)
    plain: int = 0

def job(now=time.perf_counter, number=1): return now()

READERS = {"now": time.monotonic, "type": datetime}
LIST = [time.gmtime]
TWO = (time.time, 1)
LATER = functools.partial(time.gmtime)
MACHINE = Machine()
UTC = timezone.utc
"""
CLOCKS = """
import time
class Machine:
    def __init__(self): self.read = time.monotonic_ns
def elapsed(since, now=time.time): return now() - since
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, text in (("shop", SHOP), ("clocks", CLOCKS)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    import shop  # type: ignore[import-not-found]

    monkeypatch.delitem(sys.modules, "shop")
    monkeypatch.delitem(sys.modules, "clocks")
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "clocks", shop.clocks)
    return "shop"


EXPECTED = [
    "clocks.elapsed(now=) keeps time.time",
    "shop.Invoice.created keeps time.time",
    "shop.Invoice.made keeps time.time_ns",
    "shop.Invoice.day keeps datetime.date",
    "shop.Invoice.pay(at=) keeps datetime.datetime.now",
    "shop.Invoice.pay(wait=) keeps time.sleep",
    "shop.Invoice.today(now=) keeps datetime.date.today",
    "shop.Moment (as its base) keeps datetime.datetime",
    "shop.Row.at keeps datetime.datetime.utcnow",
    "shop.job(now=) keeps time.perf_counter",
    "shop.READERS keeps time.monotonic",
    "shop.LIST keeps time.gmtime",
    "shop.TWO keeps time.time",
    "shop.LATER keeps time.gmtime",
    "shop.MACHINE.read keeps time.monotonic_ns",
]


def test_they_are_found_in_the_job_and_what_it_uses(shop: str) -> None:
    assert [str(held) for held in held_clocks([shop])] == EXPECTED


def test_they_are_found_while_time_is_virtual(shop: str, controlled: Controlled) -> None:
    assert controlled(lambda: [str(held) for held in held_clocks([shop])], VirtualClock(0)) == EXPECTED


READINGS = """
[
    Invoice.created(), Invoice.made() / 10**9, Invoice.day.today(), Invoice().pay(), Invoice.today(), Row().at,
    job(), READERS["now"](), LIST[0](), LATER(), MACHINE.read() / 10**9, clocks.elapsed(1),
]
"""
IRREPLACEABLE = {"shop.TWO keeps time.time", "shop.Moment (as its base) keeps"}


def test_most_show_virtual_time_where_they_are(shop: str, controlled: Controlled) -> None:
    module = vars(sys.modules[shop])

    def read() -> list[Any]:
        undo = [held.show() for held in held_clocks([shop])]
        try:
            return eval(READINGS, module)  # type: ignore[no-any-return]
        finally:
            for each in undo:
                each()

    before = [(held.where, held.genuine) for held in held_clocks([shop])]
    created, made, day, paid, today, at, job, now, broken, later, read_, elapsed = controlled(read, VirtualClock(START))
    assert (created, made, elapsed) == (START / SECOND, START / SECOND, START / SECOND - 1)
    assert str(day) == str(today) == "2030-03-17"
    assert str(at) == "2030-03-17 17:46:40"
    assert paid.timestamp() == START / SECOND
    assert (job, now, read_) == (1000, 1000, 1000)
    assert broken.tm_year == later.tm_year == 2030
    assert [(held.where, held.genuine) for held in held_clocks([shop])] == before
    stuck = {str(held) for held in held_clocks([shop]) if not held.can_be_replaced}
    assert all(any(text.startswith(each) for each in IRREPLACEABLE) for text in stuck)
    assert len(stuck) == len(IRREPLACEABLE)


def test_what_the_job_has_put_there_itself_stays(shop: str, controlled: Controlled) -> None:
    module = sys.modules[shop]
    undo = controlled(lambda: [held.show() for held in held_clocks([shop])], VirtualClock(START))
    module.READERS["now"] = int
    module.Invoice.created = str
    for each in undo:
        each()
    assert (module.READERS["now"], module.Invoice.created) == (int, str)


def test_global_names_are_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import time\nfrom time import time as now\nfrom datetime import datetime\ndef job(at=0): return now()\n"
    (tmp_path / "plain_shop.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import plain_shop  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "plain_shop", plain_shop)
    assert not held_clocks(["plain_shop"])


def test_the_scheduler_of_the_standard_library_is_in_virtual_time(controlled: Controlled) -> None:
    clock = VirtualClock(START)
    done: list[float] = []

    def run() -> None:
        undo = [held.show() for held in held_clocks(["sched"])]
        scheduler = sched.scheduler(delayfunc=lambda seconds: clock.advance(round(seconds * SECOND)))
        scheduler.enter(60, 1, lambda: done.append(time.monotonic()))
        began = time.monotonic()
        scheduler.run()
        done.append(began)
        for each in undo:
            each()

    controlled(run, clock)
    assert done[0] - done[1] == 60


def test_installed_and_unknown_modules_are_not_looked_at() -> None:
    assert not held_clocks(["queue", "freezegun.api", "no_such_module"])


class Keeper:
    """Stands for an object of a library: a column with a default."""

    def __init__(self, now: Callable[..., Any]) -> None:
        self.attribute = now
        self.wrapped: Callable[[], Any] = lambda: now()
        self.inner = [functools.partial(now, timezone.utc)]


def test_methods_of_datetime_are_shown_wherever_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, controlled: Controlled
) -> None:
    """`Column(default=datetime.utcnow)` keeps one in a closure, and each is an object of its own."""
    (tmp_path / "stock.py").write_text("from datetime import datetime\nnow = datetime.now\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import stock  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "stock", stock)
    monkeypatch.setitem(sys.modules, "further", stock)  # more are loaded than in the last search
    keeper = Keeper(datetime.now)

    def read() -> list[Any]:
        undo = [held.show() for held in all_held_clocks(["stock"])]
        try:
            shown = [now(timezone.utc) for now in (stock.now, keeper.attribute)]
            return [moment.timestamp() for moment in (*shown, keeper.inner[0]())] + [keeper.wrapped().year]
        finally:
            for each in undo:
                each()

    before = stock.now, keeper.attribute
    assert controlled(read, VirtualClock(START)) == [START / SECOND] * 3 + [2030]
    assert before[0] is stock.now
    assert before[1] is keeper.attribute
