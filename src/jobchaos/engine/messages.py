"""What the controller and a forked worker say to each other: at step, go, die, done.

The controller says `Go`. The worker may ask to have resources captured (`Announce`), and is answered (`Announced`), or
whether a foreign effect is a repetition (`Recognise`), and is told True or False. It gives the baton back with a
`Report`; whatever else it has to tell comes with it. To die takes no words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jobchaos.core.effect import Foreign, Site
from jobchaos.core.schedule import Fault
from jobchaos.core.trace import TraceEvent
from jobchaos.engine.outage import Outage
from jobchaos.engine.standing import Standing


class Go(NamedTuple):
    """You have the baton.

    Attributes:
        credit: See `Standing.credit`.
        fault: See `Standing.fault`.
        wait: See `Standing.wait`.
        survey: See `Standing.survey`.
        outage: See `Standing.outage`.
        now: Virtual time, in nanoseconds since the epoch.
    """

    credit: int | None
    fault: Fault | None
    wait: int
    survey: bool
    outage: Outage | None
    now: int


class Announce(NamedTuple):
    """I am about to touch a resource."""

    resource: str


class Announced(NamedTuple):
    """A store has captured it.

    Attributes:
        go_on: False if the check has ended because of it.
    """

    go_on: bool


class Recognise(NamedTuple):
    """Has one of the same identity been entered?

    Attributes:
        foreign: What it is.
        records: Foreign effects since the last report, which may answer that.
    """

    foreign: Foreign
    records: tuple[Foreign, ...]


class Report(NamedTuple):
    """You have the baton back.

    Attributes:
        standing: Where the attempt stands.
        events: What happened since the last report.
        amended: New details of earlier events, by their position among all events of this worker.
        oddities: `(code, message)` of what the verdict must mention.
        records: Foreign effects.
        error: Why the check cannot go on, if it cannot.
        now: Virtual time, in nanoseconds since the epoch.
        news: What the conditions and each probe hand over.
    """

    standing: Standing
    events: tuple[TraceEvent, ...]
    amended: Mapping[int, str]
    oddities: tuple[tuple[str, str], ...]
    records: tuple[Foreign, ...]
    error: Exception | None
    now: int
    news: tuple[Any, ...]


class Position(NamedTuple):
    """I am here, and at no step: the answer to the signal that asks."""

    site: Site | None
