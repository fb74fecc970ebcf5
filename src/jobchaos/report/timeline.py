"""Timeline: what happened, line by line, one column a copy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from jobchaos.report.moment import Moment
from jobchaos.report.shown import shorten

_LONGEST = 40
_HEAD, _TAIL = 20, 19
_NOTES = 10
_SHORT = 24  # a longer outcome gets a line of its own
_GAP = "  "


@dataclass(frozen=True, slots=True)
class _Column:
    """Where one copy is written.

    Attributes:
        start: Its first character.
        label: Characters for an effect's label.
        outcome: Characters for its outcome.
    """

    start: int
    label: int
    outcome: int

    @property
    def width(self) -> int:
        return _width(self.label, self.outcome)


def timeline(moments: Sequence[Moment], width: int) -> list[str]:
    """Lay out a run.

    Args:
        moments: The run, told in order.
        width: Characters a line; nothing goes beyond.

    Returns:
        A line with the names of the copies, then one or two a moment. Pauses and ends are not told: the columns show
        them.
    """
    told = _elide([moment for moment in moments if _is_told(moment)])
    copies = sorted({moment.copy for moment in told if moment.copy}) or ["A"]
    sites, file = _sites(told)
    margin = max(2, *(len(str(moment.number or "")) for moment in told)) + len(_GAP) if told else 2 + len(_GAP)
    site_width = max((len(site) for site in [*sites, file]), default=0)
    columns = _columns(told, copies, margin, width - site_width - len(_GAP))
    end = max(column.start + column.width for column in columns.values())
    heading = " " * margin + _GAP.join(f"{copy:<{columns[copy].width}}" for copy in copies)
    lines = [_with_site(heading, file, end, site_width)]
    for moment, site in zip(told, sites, strict=True):
        lines += _lines(moment, columns.get(moment.copy, columns[copies[0]]), site, (margin, end, site_width, width))
    return lines


def _is_told(moment: Moment) -> bool:
    return moment.happening not in ("paused", "finished") and (moment.happening != "delivered" or moment.attempt > 1)


def _elide(moments: list[Moment]) -> list[Moment]:
    """Leave out effects in the middle of a long run; what befell the copies there is still told."""
    if len(moments) <= _LONGEST:
        return moments
    middle = moments[_HEAD:-_TAIL]
    every = sum(moment.number is None for moment in middle) > _NOTES
    kept: list[Moment] = []
    for is_left_out, run in itertools.groupby(middle, key=lambda moment: every or moment.number is not None):
        group = list(run)
        kept += [_marker(group)] if is_left_out and len(group) > 1 else group
    return [*moments[:_HEAD], *kept, *moments[-_TAIL:]]


def _marker(left_out: list[Moment]) -> Moment:
    effects = sum(moment.number is not None for moment in left_out)
    return Moment(None, "elided", "", 0, f"... {effects} more effects ...", "", True, "", left_out[0].at)


def _sites(moments: list[Moment]) -> tuple[list[str], str]:
    """The call sites, and the file that all of them are in, named once; empty if they are in several."""
    files = {moment.site.rpartition(":")[0] for moment in moments if moment.site}
    if len(files) != 1:
        return [shorten(moment.site, _LONGEST) for moment in moments], ""
    return [moment.site and f":{moment.site.rpartition(':')[2]}" for moment in moments], shorten(min(files), _LONGEST)


def _columns(moments: list[Moment], copies: list[str], margin: int, end: int) -> dict[str, _Column]:
    effects = [moment for moment in moments if moment.number is not None]
    labels = [max((len(moment.text) for moment in effects if moment.copy == copy), default=1) for copy in copies]
    outcomes = [
        max((len(moment.outcome) for moment in effects if moment.copy == copy and _fits(moment)), default=0)
        for copy in copies
    ]
    room = end - margin - len(_GAP) * (len(copies) - 1)
    while sum(map(_width, labels, outcomes)) > room and max(labels) > 1:
        labels[labels.index(max(labels))] -= 1  # the widest gives way first
    columns: dict[str, _Column] = {}
    for copy, label, outcome in zip(copies, labels, outcomes, strict=True):
        columns[copy] = _Column(margin, label, outcome)
        margin += columns[copy].width + len(_GAP)
    return columns


def _width(label: int, outcome: int) -> int:
    return label + (len(_GAP) + outcome if outcome else 0)


def _fits(moment: Moment) -> bool:
    return moment.applied and len(moment.outcome) <= _SHORT


def _lines(moment: Moment, column: _Column, site: str, frame: tuple[int, int, int, int]) -> list[str]:
    margin, end, site_width, width = frame
    if moment.number is None:
        return [" " * column.start + shorten(moment.text, width - column.start)]
    label = f"{shorten(moment.text, column.label):<{column.label}}"
    number = f"{moment.number:>{margin - len(_GAP)}}{_GAP}"
    line = f"{number:<{column.start}}{label}{_GAP}{moment.outcome if _fits(moment) else ''}"
    lines = [_with_site(line, site, end, site_width)]
    if moment.outcome and not _fits(moment):
        text = moment.outcome if moment.applied else f"failed: {moment.outcome}"
        lines.append(" " * (column.start + 2) + shorten(text, width - column.start - 2))
    return lines


def _with_site(line: str, site: str, end: int, site_width: int) -> str:
    return f"{line:<{end}}{_GAP}{site:>{site_width}}".rstrip()
