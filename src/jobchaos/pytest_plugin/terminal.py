"""What the plugin prints: a failed check in place of a traceback, and the table at the end."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest.pathlib import bestrelpath

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter
    from _pytest.terminal import TerminalReporter

    from jobchaos.suite.summary import Summary

_NOTHING = (
    "No test used a jobchaos fixture, and no known job system (Celery, RQ, ...) was imported, so nothing was checked: "
    "see run_twice and jobchaos."
)
_WITHOUT = "{} came to no verdict: an error of the test's own, or a timeout, has ended it."


class FailureText(TerminalRepr):
    """The report of a failed check, what others have noted of it, and the line of the test that asked for it.

    Under `@given` Hypothesis notes the example that fails.

    Args:
        excinfo: The `JobChaosError`.
    """

    def __init__(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.text = str(excinfo.value)
        headline = " ".join(itertools.takewhile(bool, map(str.strip, self.text.strip().splitlines())))
        self.text = "\n\n".join((self.text, *getattr(excinfo.value, "__notes__", ())))
        entry = excinfo.traceback.filter(excinfo)[-1]
        path = bestrelpath(Path.cwd(), Path(entry.path))
        self.reprcrash = ReprFileLocation(path, entry.lineno + 1, headline)
        """What pytest puts into its last lines and into JUnit files."""
        self._where = ReprFileLocation(path, entry.lineno + 1, excinfo.typename)

    def toterminal(self, tw: TerminalWriter) -> None:
        """Print it."""
        for line in self.text.splitlines():
            tw.line(line, red=line.startswith("JC"), bold=line.startswith("JC"))
        tw.line()
        self._where.toterminal(tw)

    def __str__(self) -> str:
        return f"{self.text}\n\n{self._where.path}:{self._where.lineno}: {self._where.message}"


def print_summary(
    terminal: TerminalReporter, rows: Sequence[dict[str, Any]], unfinished: int, suite: Summary | None
) -> None:
    """Print the table of all checks, how many have no verdict, and what the suite's own tasks have shown."""
    terminal.section("jobchaos")
    if rows:
        from jobchaos.report.outliers import outliers
        from jobchaos.report.summary import summary_lines

        for line in (*summary_lines(rows), *outliers(rows)):
            terminal.write_line(line)
    if unfinished:
        terminal.write_line(_WITHOUT.format(f"{unfinished} check{'' if unfinished == 1 else 's'}"))
    if suite is not None and (suite.tests or suite.stopped or not (rows or unfinished)):
        from jobchaos.suite.review import review_lines

        for line in review_lines(suite):
            terminal.write_line(line, red=line.startswith("JC"), bold=line.startswith("JC"))
    elif not (rows or unfinished):
        terminal.write_line(_NOTHING)
