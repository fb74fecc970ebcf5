"""Replay: the command line that runs one schedule again."""

from __future__ import annotations

import shlex

from jobchaos.core.schedule import Schedule
from jobchaos.report.shown import escape


def replay_command(schedule: Schedule, nodeid: str) -> str:
    """The command for a test. It is quoted for the shell: in double quotes, `!kill` would be expanded from history."""
    return f"pytest --jobchaos-replay {shlex.quote(str(schedule))} {shlex.quote(escape(nodeid))}"
