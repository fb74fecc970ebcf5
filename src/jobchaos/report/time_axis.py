"""TimeAxis: when each line of a timeline happens, where time matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobchaos.report.moment import Moment

_TELLS = ("time", "leased", "timed out")
_HEADING = "time"
_GAP = "  "
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A column at the left.

    Attributes:
        beginning: Virtual time that is called 0, in nanoseconds since the epoch.
        width: Characters of the column, with the gap behind it; 0 if there is none.
    """

    beginning: int
    width: int

    @classmethod
    def of(cls, moments: Sequence[Moment]) -> TimeAxis:
        """The axis of a run: none if nothing in it has to do with time, or no time passes."""
        times = [moment.at for moment in moments]
        if not any(moment.happening in _TELLS for moment in moments) or len(set(times)) == 1:
            return cls(0, 0)
        longest = max(len(_written(time - times[0])) for time in times)
        return cls(times[0], max(longest, len(_HEADING)) + len(_GAP))

    def heading(self, line: str) -> str:
        """The heading of the timeline, with that of the column."""
        return self._beside(_HEADING, line)

    def lines(self, lines: Sequence[str], at: int, before: int | None) -> list[str]:
        """The lines of one moment; the first tells when it is, unless that has just been told.

        Args:
            lines: Without the column.
            at: Virtual time of the moment.
            before: Virtual time of the one before; None for the first.
        """
        stamps = ["" if at == before else _written(at - self.beginning), *[""] * (len(lines) - 1)]
        return [self._beside(stamp, line) for stamp, line in zip(stamps, lines, strict=True)]

    def _beside(self, stamp: str, line: str) -> str:
        return f"{stamp:>{self.width - len(_GAP)}}{_GAP}{line}" if self.width else line


def _written(nanoseconds: int) -> str:
    """`+61 s`; to the millisecond, as nobody waits for less."""
    return f"{round(nanoseconds / _SECOND, 3):+.10g} s"
