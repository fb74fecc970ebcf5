"""Text: a verdict as a person reads it when a test has failed."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from jobchaos.core.finding import CODES, Finding
from jobchaos.core.schedule import Schedule
from jobchaos.core.verdict import Verdict
from jobchaos.report.moment import moments
from jobchaos.report.shown import one_line, shown
from jobchaos.report.state import state_lines
from jobchaos.report.timeline import timeline

_WIDTH = 110
_NAME = 11
_TOKEN = 16
_DETAIL = 60
_PLURALS = {
    "duplicate": "duplicate deliveries",
    "concurrent": "overlaps",
    "crash": "crash points",
    "timeout": "hanging calls",
    "retry": "failing calls",
}


def render(verdict: Verdict, *, replay: Callable[[Schedule], str] | None = None) -> str:
    """The report of a check, without colours, the same for the same verdict and working directory.

    Args:
        verdict: What to report.
        replay: Gives the command that runs a schedule again; None leaves that line out.
    """
    gating = [finding for finding in verdict.findings if finding.gates]
    advice = [finding for finding in verdict.findings if not finding.gates]
    blocks = [_finding(finding, replay) for finding in gating]
    if not blocks:
        strict = ", ".join(dict.fromkeys(finding.code for finding in advice)) if verdict.status == "fails" else ""
        heading = f"{one_line(verdict.job)}: {verdict.status}"
        blocks.append([f"{strict} advice: {heading}, as advice counts here (strict)" if strict else heading, ""])
    blocks[-1] += _field("checked", one_line(verdict.claim))
    blocks[-1] += [line for note in verdict.notes for line in _field("note", one_line(note))]
    if advice:
        blocks.append(["advice", *(line for finding in advice for line in _advice(finding))])
    return "\n\n".join("\n".join(block).rstrip() for block in blocks)


def _finding(finding: Finding, replay: Callable[[Schedule], str] | None) -> list[str]:
    family = CODES.get(finding.code, "").partition(":")[0]
    header = f"{finding.code} {family}: {one_line(finding.message)}"
    lines = [*textwrap.wrap(header, _WIDTH, subsequent_indent="  "), ""]
    if finding.schedule is not None:
        lines += _field("schedule", f"{finding.schedule!s:<{_TOKEN}}  {_remarks(finding, family)}".rstrip())
    if finding.trace is not None:
        lines += ["  " + line for line in timeline(moments(finding.trace), _WIDTH - 2)]
    if finding.diff is not None:
        lines += [f"  state against {finding.against or 'one clean run'}"]
        lines += ["      " + line for line in state_lines(finding.diff, _WIDTH - 6)]
    lines += _paragraphs(finding.detail)
    shown_again = [f"confirmed {finding.confirmed}"] if finding.confirmed else []
    shown_again += [f"replays {finding.replays[0]} of {finding.replays[1]}"] if finding.replays[1] else []
    lines += [f"  {'; '.join(shown_again)}"] if shown_again else []
    if replay is not None and finding.schedule is not None:
        lines.append(f"  {'replay':<{_NAME}}{replay(finding.schedule)}")  # never broken: it is there to be copied
    return lines + _field("usual fix", one_line(finding.fix))


def _remarks(finding: Finding, family: str) -> str:
    if not finding.total:
        return ""
    verb = "fails" if finding.failing == 1 else "fail"
    remarks = ["minimal", f"{finding.failing} of {finding.total} {_PLURALS.get(family, 'schedules')} {verb}"]
    if finding.nearest is not None:
        remarks.append(f"nearest passing: {finding.nearest}")
    return "; ".join(remarks)


def _advice(finding: Finding) -> list[str]:
    message = f"{finding.code} {one_line(finding.message)}"
    lines = textwrap.wrap(message, _WIDTH, initial_indent="  ", subsequent_indent="      ")
    return lines + _paragraphs(finding.detail) + _field("usual fix", one_line(finding.fix))


def _field(name: str, text: str) -> list[str]:
    indent = " " * (2 + _NAME)
    return textwrap.wrap(text, _WIDTH, initial_indent=f"  {name:<{_NAME}}", subsequent_indent=indent) if text else []


def _paragraphs(detail: str) -> list[str]:
    """A traceback or two traces: line by line, with their indentation."""
    rows = detail.rstrip().splitlines()
    if len(rows) > _DETAIL:
        half = _DETAIL // 2
        rows = [*rows[:half], f"... {len(rows) - 2 * half} more lines ...", *rows[-half:]]
    lines: list[str] = []
    for row in rows:
        indent = "  " + " " * min(40, len(row) - len(row.lstrip()))
        text = shown(row.strip())
        lines += textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
    return lines
