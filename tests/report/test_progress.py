"""One line of the terminal tells how far a check is, and is gone at its end."""

from __future__ import annotations

import pytest

from jobchaos.core.events import CheckFinished, CheckStarted, PlanReady, ScheduleRun
from jobchaos.core.schedule import Schedule
from jobchaos.report.progress import Progress
from tests.report.builders import verdict

_JOB = "send_invoice(42)"
_RUN = ScheduleRun(_JOB, "crash", Schedule.parse("A A"), passed=True)
_END = CheckFinished(verdict(status="holds"))


class Terminal:
    """A terminal's last line, where a carriage return goes back to its start and overwrites."""

    def __init__(self) -> None:
        self.line = ""
        self.lines: list[str] = []
        self.column = 0
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text
        for character in text:
            if character == "\r":
                self.column = 0
            else:
                self.line = self.line[: self.column] + character + self.line[self.column + 1 :]
                self.column += 1
        self.lines.append(self.line.rstrip())


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_every_tenth_schedule_is_told(terminal: Terminal) -> None:
    progress = Progress(terminal.write)
    progress(PlanReady(_JOB, "crash", 25))
    for _ in range(25):
        progress(_RUN)
    assert terminal.lines == [
        "  send_invoice(42)  crash 0/25",
        "  send_invoice(42)  crash 10/25",
        "  send_invoice(42)  crash 20/25",
    ]


def test_how_often_is_up_to_the_caller(terminal: Terminal) -> None:
    progress = Progress(terminal.write, every=1)
    progress(PlanReady(_JOB, "crash", 2))
    progress(_RUN)
    progress(_RUN)
    assert [line.rpartition(" ")[2] for line in terminal.lines] == ["0/2", "1/2", "2/2"]


def test_each_family_counts_from_zero(terminal: Terminal) -> None:
    progress = Progress(terminal.write, every=1)
    progress(PlanReady(_JOB, "duplicate", 1))
    progress(_RUN)
    progress(PlanReady(_JOB, "crash", 3))
    assert terminal.line.rstrip() == "  send_invoice(42)  crash 0/3"


def test_replays_beyond_the_plan_are_not_counted(terminal: Terminal) -> None:
    progress = Progress(terminal.write, every=1)
    progress(PlanReady(_JOB, "crash", 1))
    for _ in range(5):
        progress(_RUN)
    assert terminal.line.endswith(" 1/1")
    assert len(terminal.lines) == 2


def test_a_shorter_line_leaves_nothing_of_a_longer_one(terminal: Terminal) -> None:
    progress = Progress(terminal.write)
    progress(PlanReady("a_job_with_a_long_name(42)", "concurrent", 100))
    progress(PlanReady("short()", "crash", 5))
    assert terminal.lines[-1] == "  short()  crash 0/5"


def test_the_line_is_gone_at_the_end_and_the_cursor_at_its_start(terminal: Terminal) -> None:
    progress = Progress(terminal.write)
    progress(PlanReady(_JOB, "crash", 5))
    progress(_END)
    assert terminal.line.strip() == ""
    assert terminal.column == 0
    assert "\n" not in terminal.written


def test_a_check_without_a_plan_writes_nothing(terminal: Terminal) -> None:
    progress = Progress(terminal.write)
    progress(CheckStarted(_JOB))
    progress(_END)
    progress(_END)
    assert terminal.written == ""


def test_what_is_there_already_is_not_written_again(terminal: Terminal) -> None:
    progress = Progress(terminal.write)
    progress(PlanReady(_JOB, "crash", 5))
    once = terminal.written
    progress(PlanReady(_JOB, "crash", 5))
    assert terminal.written == once


def test_a_second_check_begins_on_a_clean_line(terminal: Terminal) -> None:
    progress = Progress(terminal.write)
    for job in ("first(1)", "second(2)"):
        progress(PlanReady(job, "crash", 5))
        assert terminal.line.rstrip() == f"  {job}  crash 0/5"
        progress(_END)


@pytest.mark.parametrize("job", ["f(" + "x" * 500 + ")", "f('\x1b[2J\r\n\x07')", "f(\n    1\n)"])
def test_any_job_fits_on_one_printable_line(terminal: Terminal, job: str) -> None:
    Progress(terminal.write)(PlanReady(job, "concurrent", 10**6))
    assert terminal.written.startswith("\r  f(")
    assert terminal.written[1:].isprintable()
    assert len(terminal.line) <= 79
    assert terminal.line.endswith("concurrent 0/1000000")


def test_a_secret_argument_is_masked(terminal: Terminal) -> None:
    Progress(terminal.write)(PlanReady("login(password='hunter2')", "crash", 5))
    assert terminal.line == "  login(password=***)  crash 0/5"
