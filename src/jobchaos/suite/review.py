"""Review: the summary as somebody would write it who has read the code: what, where, what shows it, what to do."""

from __future__ import annotations

import os
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator

from jobchaos.core.diff import Diff
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.oracle.wording import fix
from jobchaos.report.shown import escape, one_line, shown
from jobchaos.report.state import state_lines
from jobchaos.suite.causes import Cause
from jobchaos.suite.sends import ADVICE, PLAIN
from jobchaos.suite.summary import Summary
from jobchaos.suite.symptoms import COUNTS, Symptom

_INDENT = 3
_LABEL = 12
_FEW = 3
_WIDTH = 110
_REASONS = {
    "patched": "what sends it is patched (.delay and the like), so that it never runs",
    **{
        f"enqueued {system}": f"sent to a broker that nobody works off; for {system}, {advice}"
        for system, advice in ADVICE.items()
    },
    "foreign_broker": "sent to a broker on another machine, which is never contacted by a replay",
    "on_commit": "held back until a COMMIT that a rolled-back test never makes: "
    "use django_capture_on_commit_callbacks(execute=True), in a TestCase self.captureOnCommitCallbacks(execute=True)",
}


def review_lines(summary: Summary) -> Iterator[str]:
    """The whole text."""
    causes = summary.causes
    yield from textwrap.wrap(_headline(summary, causes), _WIDTH)
    for cause in causes:
        if cause.gates:
            yield ""
            yield from cause_lines(cause)
    yield from _folded(causes)
    yield from _limits(summary)


def _headline(summary: Summary, causes: list[Cause]) -> str:
    count = sum(cause.gates for cause in causes)
    found = f"{count} cause{'' if count == 1 else 's'} found" if summary.replayed else "nothing was replayed"
    return (
        f"{_systems(summary)}: {summary.executing} of {summary.tests} tests execute tasks, "
        f"{summary.replayed} of them replayed in {summary.runs} runs, {summary.seconds:.1f} s; {found}"
    )


def _systems(summary: Summary) -> str:
    return ", ".join(summary.systems) or "no job system that is known"


def cause_lines(cause: Cause) -> Iterator[str]:
    """What there is to say of one cause."""
    first = cause.first
    yield f"{first.code} [{first.grade}] {first.task}  {_place(first.site)}"
    yield from _field("problem", problem(cause))
    for at, (label, where) in enumerate(first.effects[:_FEW]):
        yield from _field("" if at else "effects", f"{one_line(label, 90)}  {_place(where)}")
    for at, line in enumerate(state_lines(Diff(first.changes[:_FEW], ()), _WIDTH - _LABEL - _INDENT)):
        yield from _field("" if at else "state", line, wrap=False)
    if first.failure:
        yield from _field("test says", one_line(first.failure, 200))
    yield from _field("shown by", _shown_by(cause))
    yield from _field("replay", replay_line(first), wrap=False)
    yield from _field("usual fix", remedy(cause))
    if first.real:
        yield from _field("real", first.real.removeprefix("real "))


def problem(cause: Cause) -> str:
    """What goes wrong, and when."""
    first = cause.first
    fault = next((run.fault for run in Schedule.parse(first.schedule).runs if run.fault), None)
    if fault is None:
        overlaps = len(Schedule.parse(first.schedule).copies) > 1
        when = "delivered to two workers at once" if overlaps else "delivered twice"
    elif fault is Fault.LOST:
        when = "delivered again because an answer got lost"
    else:
        verb = "killed" if fault is Fault.KILL else "stopped"
        when = f"{verb} midway and delivered again"
    if first.grade == "B":
        what = "repeats an effect that cannot be compared, and the test objects"
    else:
        what = {
            "1": "repeats what others have received already",
            "2": "leaves out what others should have received",
        }.get(first.code[-1], "leaves another state than a single delivery")
    window = "; there is a guard against duplicates, but not against this moment" if cause.is_window else ""
    return f"{when}, it {what} ({first.schedule}){window}"


def _shown_by(cause: Cause) -> str:
    tests = [escape(test) for test in cause.tests]
    more = f" and {len(tests) - _FEW} more" if len(tests) > _FEW else ""
    return ", ".join(tests[:_FEW]) + more


def replay_line(symptom: Symptom) -> str:
    """The command that shows it again."""
    name, number = symptom.target
    task = name if number == 1 else f"{name}#{number}"
    parts = ["pytest", "--jobchaos-only", task, "--jobchaos-replay", symptom.schedule, symptom.nodeid]
    return " ".join(shlex.quote(escape(part)) for part in parts)


def remedy(cause: Cause) -> str:
    """What usually helps."""
    first = cause.first
    general = fix(first.code if first.grade == "A" else "JC101", Diff(first.changes, ()))
    if first.code[-1] == "2":
        return general
    if first.effects and all(label.startswith("ENQUEUE ") for label, _ in first.effects):
        pattern = first.effects[0][0].partition("(")[0]
        general += f". If its receiver bears a second one, say so: jobchaos_idempotent = {first.task}: {pattern}*"
    return (
        general
        if cause.is_window
        else f"look first whether the work is done already, and return if it is; or {general}"
    )


def _folded(causes: list[Cause]) -> Iterator[str]:
    counts = [cause for cause in causes if not cause.gates]
    if not counts:
        return
    yield ""
    tests = len({test for cause in counts for test in cause.tests})
    yield from textwrap.wrap(
        f"{COUNTS} [C] in {tests} test{'' if tests == 1 else 's'} only call counts, return values or mocks that ran "
        "out of answers differ (does not gate):",
        _WIDTH,
    )
    for cause in counts:
        yield shown(f"   {cause.first.task}: {one_line(cause.first.failure, 60)}  {cause.first.nodeid}", _WIDTH + 40)


def _limits(summary: Summary) -> Iterator[str]:
    lines = [f"JC942 not re-runnable: {nodeid}: {why}" for nodeid, why in sorted(summary.refused.items())]
    for tables, number in sorted(Counter(summary.unsteady.values()).items()):
        first = min(nodeid for nodeid, left in summary.unsteady.items() if left == tables)
        where = first if number == 1 else f"{number} tests, such as {first}"
        lines.append(
            f"JC942 not compared: {tables} in {where}: each run leaves rows there, which no fixture takes back"
        )
    if summary.left_out:
        listed = ", ".join(summary.left_out[:_FEW]) + (" ..." if len(summary.left_out) > _FEW else "")
        lines.append(f"JC943 the budget was used up: {len(summary.left_out)} executions were not replayed: {listed}")
    for system, why in sorted(summary.unknown.items()):
        lines.append(
            f"JC944 jobchaos does not know the version of {system} that is imported: its tasks are unseen ({why})"
        )
    for reason, number in sorted(summary.reasons.items()):
        lines.append(f"JC944 {number} test{'' if number == 1 else 's'} without any task: {_REASONS[reason]}")
    if summary.systems and not summary.executing and not summary.reasons:
        lines.append(f"JC944 no test executes a task of {_systems(summary)}, nor sends one")
    plain = [system for system in summary.systems if system in PLAIN]
    if plain and (not summary.executing or "patched" in summary.reasons):
        lines.append(
            f"JC944 of {', '.join(plain)}, functions that tests call themselves are seen if they are sent in the suite "
            "or named in jobchaos_tasks"
        )
    if summary.stopped:
        lines.append(f"JC942 nothing was replayed, as the suite itself stopped: {summary.stopped}")
    if lines:
        yield ""
    for line in lines:
        yield from textwrap.wrap(shown(line, 400), _WIDTH, subsequent_indent="      ")


def _field(label: str, text: str, *, wrap: bool = True) -> Iterator[str]:
    lead = " " * _INDENT
    lines = textwrap.wrap(text, _WIDTH - _LABEL) if wrap else [text]
    for at, line in enumerate(lines or [""]):
        yield f"{lead}{'' if at else label:<{_LABEL}}{line}".rstrip()


def _place(site: str) -> str:
    path, _, line = site.rpartition(":")
    if not path:
        return site
    relative = os.path.relpath(path)
    return f"{path if relative.startswith('..') else relative}:{line}"
