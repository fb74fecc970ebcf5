"""What `datetime.datetime` and `datetime.date` are while time is virtual.

Problem: freezegun's stand-ins make objects of their own classes. These leak into stores, pickles and results, and
libraries that look at the exact type of a value (orjson, PyYAML, dispatch tables made at import) refuse them.

Solution: stand-ins that are never instantiated. They ask the virtual clock, and make genuine objects.
"""

from __future__ import annotations

import copyreg
import datetime
from types import ModuleType
from typing import Any

import freezegun.api

from jobchaos.core.project import is_project_file

_found_by_freezegun = freezegun.api._get_cached_module_attributes  # noqa: SLF001 - there is no other seam
_found: dict[str, tuple[tuple[int, int], list[tuple[str, Any]]]] = {}  # by module
_genuine = {"datetime": freezegun.api.real_datetime, "date": freezegun.api.real_date}
_EPOCH = freezegun.api.real_datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


class StandIn(type):
    """Makes a class that is the genuine one in all but identity."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """A genuine object; of a class that the job derives, one of that class."""
        genuine = _genuine_of(cls)
        return super().__call__(*args, **kwargs) if genuine is None else genuine(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _genuine_of(cls) or ()) or super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _genuine_of(cls) or ()) or super().__subclasscheck__(subclass)

    def __eq__(cls, other: object) -> bool:
        return cls is other or (other is not None and other is _genuine_of(cls))

    def __hash__(cls) -> int:
        return hash(_genuine_of(cls)) if _genuine_of(cls) else super().__hash__()


class VirtualDate(freezegun.api.real_date, metaclass=StandIn):
    """In place of `datetime.date`."""

    @classmethod
    def today(cls) -> Any:
        """See `datetime.date.today`."""
        return super().fromtimestamp(_seconds())


class VirtualDatetime(freezegun.api.real_datetime, metaclass=StandIn):
    """In place of `datetime.datetime`."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        """See `datetime.datetime.now`."""
        return super().fromtimestamp(_seconds(), tz)

    @classmethod
    def today(cls) -> Any:
        """See `datetime.datetime.today`."""
        return super().fromtimestamp(_seconds())

    @classmethod
    def utcnow(cls) -> Any:
        """See `datetime.datetime.utcnow`."""
        return super().fromtimestamp(_seconds(), datetime.timezone.utc).replace(tzinfo=None)


def put_in_place(freezer: Any) -> None:
    """Start a freezegun freezer with these classes for its own, and with pickles that know nothing of it."""
    mine: dict[str, Any] = {"FakeDatetime": VirtualDatetime, "FakeDate": VirtualDate}
    mine["_get_cached_module_attributes"] = _clocks_in
    theirs = {name: getattr(freezegun.api, name) for name in mine}
    try:
        vars(freezegun.api).update(mine)
        freezer.start()
    finally:
        vars(freezegun.api).update(theirs)
    freezer.fake_names = ()  # names that it would not clean up in modules loaded meanwhile; ours are `datetime`, `date`
    for name, stand_in in (("datetime", VirtualDatetime), ("date", VirtualDate)):
        copyreg.pickle(_genuine[name], _reduced)
        # pickle refers to a class by its name, after a look at what the name stands for now. Read later, the same
        # pickle gives the genuine class.
        stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = "datetime", name, name


def _clocks_in(module: Any) -> Any:
    """The names in a module that stand for clocks, or the like, with what they stand for.

    In place of freezegun's own search, which takes three times as long, and loads what a package would load only when
    it is asked. As there, a library's module is taken for unchanged if its names are; the project's own ones are
    searched each time, as tests replace what their names stand for.
    """
    if type(module) is not ModuleType:
        return _found_by_freezegun(module)
    values = vars(module)
    state = id(module), hash(frozenset(values))
    known = _found.get(module.__name__)
    if known is None or known[0] != state or is_project_file(values.get("__file__") or ""):
        clocks = freezegun.api._real_time_object_ids  # noqa: SLF001
        known = _found[module.__name__] = state, [item for item in values.items() if id(item[1]) in clocks]
    return known[1]


def _genuine_of(cls: type) -> type | None:
    """What a class stands for; None for one that the job has derived."""
    if cls is VirtualDatetime:
        return _genuine["datetime"]
    return _genuine["date"] if cls is VirtualDate else None


def _reduced(value: Any) -> tuple[Any, ...]:
    genuine, *rest = value.__reduce_ex__(4)
    return (VirtualDatetime if genuine is _genuine["datetime"] else VirtualDate, *rest)


def _seconds() -> float:
    """Seconds since the epoch, of whoever asks, exact to the microsecond."""
    if freezegun.api._should_use_real_time():  # noqa: SLF001 - then it is Frozen who answers
        nanoseconds = freezegun.api.real_time_ns()
        return nanoseconds // 1000 / 10**6
    now = freezegun.api.get_current_time().replace(tzinfo=datetime.timezone.utc)
    return (now - _EPOCH) // _MICROSECOND / 10**6
