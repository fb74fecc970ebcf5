"""What the plugin prints: a failed check in place of a traceback, and the table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter
    from _pytest.terminal import TerminalReporter


class FailureText(TerminalRepr):
    """The report of a failed check, and the line of the test that asked for it.

    Args:
        excinfo: The `JobChaosError`.
    """

    def __init__(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.text = str(excinfo.value)
        entry = excinfo.traceback.filter(excinfo)[-1]
        self.reprcrash = ReprFileLocation(str(entry.path), entry.lineno + 1, self.text.strip().splitlines()[0])

    def toterminal(self, tw: TerminalWriter) -> None:
        """Print it."""
        for line in self.text.splitlines():
            tw.line(line, red=line.startswith("JC"), bold=line.startswith("JC"))
        tw.line()
        self.reprcrash.toterminal(tw)

    def __str__(self) -> str:
        return f"{self.text}\n\n{self.reprcrash.path}:{self.reprcrash.lineno}: {self.reprcrash.message}"


def print_summary(terminal: TerminalReporter, rows: Sequence[dict[str, Any]], *, full: bool) -> None:
    """Print the table of all checks."""
    from jobchaos.report.summary import summary_lines

    terminal.section("jobchaos")
    for line in summary_lines(rows):
        terminal.write_line(line)
    if full and not rows:
        terminal.write_line("No test used a jobchaos fixture, so nothing was checked: see run_twice and jobchaos.")
