"""Timeline: what happened, line by line, one column a copy."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobchaos.report.moment import Moment
from jobchaos.report.shown import shorten
from jobchaos.report.time_axis import TimeAxis

_LONGEST = 40
_HEAD, _TAIL = 20, 19
_NOTES = 10
_SHORT = 24  # a longer outcome gets a line of its own
_GAP = "  "


def timeline(moments: Iterable[Moment], width: int) -> list[str]:
    """Lay out a run.

    Args:
        moments: The run, told in order.
        width: Characters a line; nothing goes beyond.

    Returns:
        A line with the names of the copies, then one or two a moment. Pauses and ends are not told: the columns show
        them. Where time matters, a column at the left tells when things happen.
    """
    told = _elide([moment for moment in moments if _is_told(moment)])
    axis = TimeAxis.of(told)
    width -= axis.width
    grid = _Grid.of(told, width)
    if any(moment.number is not None and len(moment.text) > grid.columns[moment.copy].label for moment in told):
        told = _without_folders(told)  # what happened tells more than where the file lies
        grid = _Grid.of(told, width)
    lines = [axis.heading(grid.heading)]
    before: int | None = None
    for moment in told:
        lines += axis.lines(grid.lines(moment), moment.at, before)
        before = moment.at
    return lines


def _is_told(moment: Moment) -> bool:
    if moment.happening == "delivered":
        return moment.attempt > 1
    return moment.happening not in ("paused", "finished", "deadline")


def _elide(moments: list[Moment]) -> list[Moment]:
    """Leave out effects in the middle of a long run; what befell the copies there is still told, if it is not much."""
    if len(moments) <= _LONGEST:
        return moments
    middle = moments[_HEAD:-_TAIL]
    everything = sum(moment.number is None for moment in middle) > _NOTES
    kept: list[Moment] = []
    for is_left_out, run in itertools.groupby(middle, key=lambda moment: everything or moment.number is not None):
        group = list(run)
        kept += [_marker(group)] if is_left_out and len(group) > 1 else group
    return [*moments[:_HEAD], *kept, *moments[-_TAIL:]]


def _marker(left_out: list[Moment]) -> Moment:
    effects = sum(moment.number is not None for moment in left_out)
    text = f"... {effects} more effects ..." if effects else f"... {len(left_out)} more lines ..."
    return Moment(None, "elided", "", 0, text, "", True, "", left_out[0].at)


def _without_folders(moments: list[Moment]) -> list[Moment]:
    """Call sites by their files' names alone, if these tell the files apart."""
    names = {moment.site: moment.site.rpartition("/")[2] for moment in moments}
    files = {site.rpartition(":")[0] for site in names}
    if len({name.rpartition(":")[0] for name in names.values()}) < len(files):
        return moments
    return [replace(moment, site=names[moment.site]) for moment in moments]


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
    def end(self) -> int:
        return self.start + _width(self.label, self.outcome)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where everything is written.

    Attributes:
        columns: Copy to column; the first copy's also serves what belongs to no copy.
        file: The file that all call sites are in, named once; empty if they are in several.
        site: Characters for a call site.
        width: Characters a line.
    """

    columns: Mapping[str, _Column]
    file: str
    site: int
    width: int

    @classmethod
    def of(cls, moments: Sequence[Moment], width: int) -> _Grid:
        files = {moment.site.rpartition(":")[0] for moment in moments if moment.site}
        file = shorten(min(files), _LONGEST) if len(files) == 1 else ""
        site = max((len(_site(moment, file)) for moment in moments), default=0)
        margin = max(2, *(len(str(moment.number or "")) for moment in moments), 0) + len(_GAP)
        site = max(site, len(file))
        return cls(_columns(moments, margin, width - site - len(_GAP)), file, site, width)

    @property
    def heading(self) -> str:
        line = ""
        for copy, column in self.columns.items():
            line = f"{line:<{column.start}}{copy}"
        return self._with_site(line, self.file)

    def lines(self, moment: Moment) -> list[str]:
        first = next(iter(self.columns.values()))
        column = self.columns.get(moment.copy, first)
        if moment.number is None:
            return [self._indented(column.start, moment.text)]
        number = f"{moment.number:>{first.start - len(_GAP)}}"
        line = f"{number:<{column.start}}{shorten(moment.text, column.label):<{column.label}}"
        if _fits(moment):
            outcome = f"{_GAP}{shorten(moment.outcome, column.outcome)}" if moment.outcome else ""
            return [self._with_site(line + outcome, _site(moment, self.file))]
        outcome = moment.outcome if moment.applied else f"failed: {moment.outcome}"
        return [self._with_site(line, _site(moment, self.file)), self._indented(column.start + len(_GAP), outcome)]

    def _indented(self, start: int, text: str) -> str:
        return " " * start + shorten(text, self.width - start)

    def _with_site(self, line: str, site: str) -> str:
        end = max(column.end for column in self.columns.values())
        return f"{line:<{end}}{_GAP}{site}".rstrip()


def _site(moment: Moment, file: str) -> str:
    return f":{moment.site.rpartition(':')[2]}" if file and moment.site else shorten(moment.site, _LONGEST)


def _columns(moments: Sequence[Moment], margin: int, end: int) -> dict[str, _Column]:
    copies = sorted({moment.copy for moment in moments if moment.copy}) or ["A"]
    labels = dict.fromkeys(copies, 1)
    outcomes = dict.fromkeys(copies, 0)
    for moment in moments:
        if moment.number is not None:
            labels[moment.copy] = max(labels[moment.copy], len(moment.text))
            outcomes[moment.copy] = max(outcomes[moment.copy], len(moment.outcome) if _fits(moment) else 0)
    room = end - margin - len(_GAP) * (len(copies) - 1)
    while sum(_width(labels[copy], outcomes[copy]) for copy in copies) > room:
        widths = labels if max(labels.values()) >= max(outcomes.values()) else outcomes
        widest = max(copies, key=lambda copy: widths[copy])
        if widths[widest] == 1:
            break
        widths[widest] -= 1
    columns: dict[str, _Column] = {}
    for copy in copies:
        columns[copy] = _Column(margin, labels[copy], outcomes[copy])
        margin = columns[copy].end + len(_GAP)
    return columns


def _width(label: int, outcome: int) -> int:
    return label + (len(_GAP) + outcome if outcome else 0)


def _fits(moment: Moment) -> bool:
    return not moment.outcome or (moment.applied and len(moment.outcome) <= _SHORT)
