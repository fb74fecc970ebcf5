"""The command can be pasted into a shell as it stands."""

from __future__ import annotations

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.schedule import Schedule
from jobchaos.report.replay import replay_command


def test_a_token_with_a_kill_is_in_single_quotes() -> None:
    command = replay_command(Schedule.parse("A3!kill A"), "tests/test_mail.py::test_signup")
    assert command == "pytest --jobchaos-replay 'A3!kill A' tests/test_mail.py::test_signup"


@pytest.mark.parametrize(
    ("token", "nodeid", "command"),
    [
        ("A", "a.py::test", "pytest --jobchaos-replay A a.py::test"),
        ("A2 +61s B A", "a.py::test", "pytest --jobchaos-replay 'A2 +61s B A' a.py::test"),
        ("A A", "a.py::test[x y]", "pytest --jobchaos-replay 'A A' 'a.py::test[x y]'"),
        ("A A", "a.py::test[$(rm -r x)]", "pytest --jobchaos-replay 'A A' 'a.py::test[$(rm -r x)]'"),
        ("A A", "a.py::test[it's]", """pytest --jobchaos-replay 'A A' 'a.py::test[it'"'"'s]'"""),
    ],
)
def test_what_a_shell_would_read_otherwise_is_quoted(token: str, nodeid: str, command: str) -> None:
    assert replay_command(Schedule.parse(token), nodeid) == command


TOKENS = ["A", "A3 B A", "A3!kill A", "A2!lost A", "A2 +1500ms B"]


@given(
    st.text(string.printable.strip(), min_size=1, max_size=40),
    st.sampled_from(TOKENS),
)
def test_a_shell_reads_back_the_schedule_and_the_test(nodeid: str, token: str) -> None:
    words = shlex.split(replay_command(Schedule.parse(token), nodeid))
    assert words == ["pytest", "--jobchaos-replay", token, nodeid]
