"""Dates made in virtual time are genuine: in pickles, in copies, in tables keyed by type, and when compared."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import functools
import json
import pickle
import sqlite3
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest

from jobchaos.clock.virtual import VirtualClock
from tests.clock.conftest import Controlled

START = 1_700_000_000_123_456_000
REAL = (datetime.datetime, datetime.date)
MADE_BEFORE = datetime.datetime(2020, 2, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=2)), fold=1)
BY_TYPE = {datetime.datetime: "datetime", datetime.date: "date"}


@functools.singledispatch
def kind(_: object) -> str:
    return "something"


@kind.register
def _(_: datetime.datetime) -> str:
    return "datetime"


class Stamp(datetime.datetime):
    """A class of the job's own."""


def utc() -> Any:
    return datetime.datetime.now(timezone.utc)


MAKERS: list[Callable[[], Any]] = [
    utc,
    lambda: datetime.datetime.now(),
    lambda: datetime.date.today(),
    lambda: datetime.datetime(2024, 1, 2),
    lambda: datetime.date(2024, 1, 2),
    lambda: datetime.datetime.fromtimestamp(0, timezone.utc),
    lambda: datetime.datetime.fromisoformat("2024-01-02"),
    lambda: datetime.datetime.strptime("2024", "%Y"),
    lambda: datetime.datetime.combine(datetime.date(2024, 1, 2), datetime.time()),
    lambda: datetime.datetime.min,
    lambda: datetime.date.max,
    lambda: utc() + timedelta(1),
    lambda: utc().astimezone(),
    lambda: utc().date(),
    lambda: utc().replace(year=2000),
    lambda: MADE_BEFORE,
    lambda: MADE_BEFORE - timedelta(1),
]


@pytest.mark.parametrize("make", MAKERS)
def test_no_stand_in_is_ever_made(controlled: Controlled, make: Callable[[], Any]) -> None:
    def job() -> tuple[Any, ...]:
        value = make()
        return value, copy.deepcopy(value), pickle.loads(pickle.dumps(value)), type(value) == datetime.datetime  # noqa: E721

    value, copied, pickled, is_datetime = controlled(job, VirtualClock(START))
    assert type(value) in REAL
    assert is_datetime is (type(value) is datetime.datetime)
    for other in (copied, pickled):
        assert type(other) is type(value)
        assert other == value
        assert repr(other) == repr(value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dumps", [pickle.dumps, pickle._dumps])  # type: ignore[attr-defined]
def test_pickles_do_not_know_of_the_freeze(controlled: Controlled, dumps: Any, protocol: int) -> None:
    values = [MADE_BEFORE, MADE_BEFORE.date(), {"at": [MADE_BEFORE]}]
    frozen = controlled(lambda: dumps([*values, utc()], protocol), VirtualClock(START))
    assert b"freezegun" not in frozen
    assert b"jobchaos" not in frozen
    *same, now = pickle.loads(frozen)
    assert same == values
    assert [type(same[0]), type(same[1]), type(now)] == [datetime.datetime, datetime.date, datetime.datetime]
    assert controlled(lambda: pickle.loads(dumps(values, protocol)), VirtualClock(START)) == values


def test_tables_by_type_made_before_the_freeze_know_them(controlled: Controlled) -> None:
    job = lambda: (BY_TYPE[type(utc())], BY_TYPE[datetime.datetime], BY_TYPE[datetime.date], kind(utc()))  # noqa: E731
    assert controlled(job, VirtualClock(START)) == ("datetime", "datetime", "date", "datetime")


def test_the_classes_behave_as_the_genuine_ones(controlled: Controlled) -> None:
    def job() -> list[object]:
        return [
            isinstance(MADE_BEFORE, datetime.datetime),
            isinstance(MADE_BEFORE, datetime.date),
            not isinstance(datetime.date(2024, 1, 2), datetime.datetime),
            not isinstance(1, datetime.datetime),
            issubclass(datetime.datetime, datetime.date),
            not issubclass(datetime.date, datetime.datetime),
            issubclass(Stamp, datetime.datetime),
            datetime.datetime.isoformat(MADE_BEFORE) == MADE_BEFORE.isoformat(),
            datetime.datetime.timestamp(MADE_BEFORE) == MADE_BEFORE.timestamp(),
            repr(datetime.datetime) == "<class 'datetime.datetime'>",
            datetime.datetime != datetime.date,
        ]

    assert all(controlled(job, VirtualClock(START)))


def test_classes_of_the_jobs_own_stay_its_own(controlled: Controlled) -> None:
    def job() -> tuple[Any, ...]:
        class Late(datetime.datetime):
            pass

        return type(Late.now()) is Late, isinstance(Late.now(), datetime.datetime), isinstance(utc(), Late), Late.now()

    own, derived, not_own, value = controlled(job, VirtualClock(START))
    assert (own, derived, not_own) == (True, True, False)
    assert value.timestamp() == START / 10**9
    assert controlled(lambda: type(pickle.loads(pickle.dumps(Stamp(2024, 1, 2)))), VirtualClock(START)) is Stamp


def test_dataclasses_and_sqlite_take_them(controlled: Controlled) -> None:
    @dataclasses.dataclass
    class Row:
        at: datetime.datetime

    def job() -> tuple[str, str]:
        row = dataclasses.asdict(Row(utc()))
        with sqlite3.connect(":memory:") as db:
            (stored,) = db.execute("SELECT ?", (row["at"].isoformat(),)).fetchone()
        db.close()
        return stored, json.dumps(row, default=str)

    stored, text = controlled(job, VirtualClock(START))
    assert stored == "2023-11-14T22:13:20.123456+00:00"
    assert "2023-11-14 22:13:20" in text
