"""Call: which call an effect is, so that it is known again when it is tried again."""

from __future__ import annotations

import re
from typing import NamedTuple

from jobchaos.core.effect import Effect, Site

_VALUE = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b|\d+")

NO_CALLS = ("line", "sleep", "await", "ack")
"""Kinds of effects in which nobody else takes part, or that are none of the job's own."""


class Call(NamedTuple):
    """What stays the same from one try of a call to the next: not the values in it, which may be new each time.

    Attributes:
        kind: The probe's noun.
        site: Where in the user's code it is made, if known.
        text: What happens, without numbers and UUIDs: times, keys.
    """

    kind: str
    site: Site | None
    text: str

    @classmethod
    def of(cls, effect: Effect) -> Call:
        """The call that an effect is."""
        return cls(effect.kind, effect.site, _VALUE.sub("?", effect.label))
