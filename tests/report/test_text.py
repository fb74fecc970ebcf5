"""The report of a failure, pinned in `golden/` letter by letter. After an intended change, copy what the test shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobchaos.core.diff import Change, Diff
from jobchaos.core.effect import Site
from jobchaos.core.finding import Finding
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Cell
from jobchaos.core.trace import Happening, Trace
from jobchaos.core.verdict import Verdict
from jobchaos.report.replay import replay_command
from jobchaos.report.text import render
from tests.report.builders import NODEID, befell, crashed, delivered, did, finding, mail, sql, verdict

GOLDEN = Path(__file__).parent / "golden"


def rendered(shown: Verdict) -> str:
    return render(shown, replay=lambda schedule: replay_command(schedule, NODEID)) + "\n"


def raced() -> Trace:
    """Copy A is paused between its read and its mail, and B runs in between."""
    read = sql("SELECT sent FROM users WHERE id = 1", site=Site("/srv/app/jobs.py", 14, "send"))
    sent = mail('SMTP ann@example.com "Welcome"', site=Site("/srv/app/jobs.py", 16, "send"))
    mark = sql("UPDATE users SET sent = 1 WHERE id = 1", site=Site("/srv/app/jobs.py", 17, "send"))
    first = (delivered(), did(read, "-> 0"), befell(Happening.PAUSED, effect=sent))
    second = (delivered("B"), did(read, "-> 0", copy="B"), did(sent, "250", copy="B"), did(mark, "1 row", copy="B"))
    return Trace((*first, *second, befell(Happening.FINISHED, copy="B"), did(sent, "250"), did(mark, "1 row")))


def race() -> Finding:
    row: dict[str, Cell] = {"id": 1, "name": "Ann", "points": 20}
    return Finding(
        "JC203",
        "leaves users.points = 20, expected 10, when a second copy runs in between",
        schedule=Schedule.parse("A1 B A"),
        diff=Diff((Change("app.db", "users", row, 1, 1, {"points": 10}),), ("mail.mail",)),
        trace=raced(),
        failing=2,
        total=4,
        nearest=Schedule.parse("A0 B A"),
        fix="read and write in one transaction",
        replays=(1, 1),
    )


def different_jobs() -> Finding:
    row: dict[str, Cell] = {"id": 1, "name": "Ann", "points": 20}
    return Finding(
        "JC205",
        "pay(42) with refund(42) leaves users.points = 20, expected 10, when B runs between SELECT FROM users and "
        "UPDATE users of A; no serial order does (nearest: A then B)",
        schedule=Schedule.parse("A1 B A"),
        diff=Diff((Change("app.db", "users", row, 1, 1, {"points": 10}),), ("mail.mail",)),
        against="A then B",
        trace=raced(),
        failing=2,
        total=4,
        fix="read and write in one transaction",
        detail="lost update: A reads users (jobs.py:14) -> B writes users (jobs.py:17) -> A writes users (jobs.py:17)\n"
        "A is pay(42), B is refund(42)",
        replays=(1, 1),
    )


ADVICE = Finding("JC701", "send(1): a redelivery ends in an error although the work is done")
BASELINE = Finding(
    "JC903", "send(1) fails without any fault", detail="Traceback (most recent call last):\n  File x\nKeyError: 1"
)
CASES = {
    "crash": verdict(finding()),
    "race_and_advice": verdict(race(), ADVICE, notes=("left out on request: users.updated_at",)),
    "different_jobs": verdict(different_jobs(), job="pay(42) with refund(42)"),
    "inconclusive": verdict(BASELINE, status="inconclusive"),
    "holds": verdict(status="holds"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_report_is_as_pinned(name: str) -> None:
    assert rendered(CASES[name]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_report_is_used() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


def test_no_line_but_the_one_to_copy_is_wider_than_a_page() -> None:
    wide = finding(message="mails twice " * 40)
    lines = rendered(verdict(wide, status="fails", job="send(" + "x" * 400 + ")")).splitlines()
    assert max(len(line) for line in lines if not line.startswith("  replay ")) <= 110


def test_the_command_is_never_broken() -> None:
    nodeid = "tests/" + "deep/" * 40 + "test_mail.py::test_signup"
    text = render(verdict(finding()), replay=lambda schedule: replay_command(schedule, nodeid))
    (line,) = (line for line in text.splitlines() if line.startswith("  replay "))
    assert line.endswith(f"pytest --jobchaos-replay 'A3!kill A' {nodeid}")


def test_without_a_test_there_is_no_command() -> None:
    assert "--jobchaos-replay" not in render(verdict(finding()))


def test_secrets_and_terminal_codes_are_not_shown() -> None:
    hostile = Finding("JC903", "dies: \x1b[2J postgres://ann:hunter2@db/app", detail="password=hunter2\n\x07")
    text = rendered(verdict(hostile, status="inconclusive"))
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_long_traceback_is_told_by_both_its_ends() -> None:
    long = Finding("JC903", "fails", detail="\n".join(f"line {number}" for number in range(500)))
    text = rendered(verdict(long, status="inconclusive"))
    assert "line 0\n" in text
    assert "line 499\n" in text
    assert "... 440 more lines ..." in text


def test_a_trace_is_told_the_same_way_every_time() -> None:
    assert rendered(verdict(finding())) == rendered(verdict(finding()))
    assert crashed() == crashed()
