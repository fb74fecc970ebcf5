"""Time functions that are kept elsewhere than in a module's globals are found, and named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobchaos.clock.held import held_clocks
from jobchaos.clock.virtual import VirtualClock
from tests.clock.conftest import Controlled

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
    def pay(self, at=datetime.now, *, wait=time.sleep): ...
    @classmethod
    def today(cls, now=date.today): ...

@dataclass
class Row:
    at: datetime = field(default_factory=datetime.utcnow)
    plain: int = 0

def job(now=time.perf_counter, number=1): ...

READERS = {"now": time.monotonic, "type": datetime}
LIST = [time.gmtime]
LATER = functools.partial(time.localtime, 0)
MACHINE = Machine()
UTC = timezone.utc
"""
CLOCKS = """
import time
class Machine:
    def __init__(self): self.read = time.monotonic_ns
def elapsed(since, now=time.time): ...
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
    "shop.Row.at keeps datetime.datetime.utcnow",
    "shop.job(now=) keeps time.perf_counter",
    "shop.READERS keeps time.monotonic",
    "shop.LIST keeps time.gmtime",
    "shop.LATER keeps time.localtime",
    "shop.MACHINE.read keeps time.monotonic_ns",
]


def test_they_are_found_in_the_job_and_what_it_uses(shop: str) -> None:
    assert held_clocks([shop]) == EXPECTED


def test_they_are_found_while_time_is_virtual(shop: str, controlled: Controlled) -> None:
    assert controlled(lambda: held_clocks([shop]), VirtualClock(0)) == EXPECTED


def test_global_names_are_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import time\nfrom time import time as now\nfrom datetime import datetime\ndef job(at=0): return now()\n"
    (tmp_path / "plain_shop.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import plain_shop  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "plain_shop", plain_shop)
    assert held_clocks(["plain_shop"]) == []


def test_installed_and_unknown_modules_are_not_looked_at() -> None:
    assert held_clocks(["queue", "freezegun.api", "no_such_module"]) == []
