"""The table at the end of a session."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from jobchaos.core.finding import Finding
from jobchaos.core.verdict import FamilyResult, Verdict
from jobchaos.report.summary import row, summary_lines
from tests.report.builders import finding, verdict

FAMILIES = ("duplicate", "concurrent", "crash", "timeout", "retry")
HELD = tuple(FamilyResult(name, "holds", planned=3, run=3, failing=0) for name in FAMILIES)
HOLDS = replace(verdict(status="holds"), families=HELD)
FAILS = replace(verdict(finding()), families=(*HELD[:2], FamilyResult("crash", "fails", 7, 7, 1), *HELD[3:]))
UNDECIDED = replace(verdict(Finding("JC903", "fails without any fault"), status="inconclusive"), families=())


def lines(*checks: tuple[str, Verdict]) -> list[str]:
    return summary_lines([row(check, nodeid) for nodeid, check in checks])


def test_a_row_for_each_check_in_the_order_of_their_tests() -> None:
    table = lines(("t.py::test_b", UNDECIDED), ("t.py::test_c", HOLDS), ("t.py::test_a", FAILS))
    assert [re.split(r"  +", line) for line in table] == [
        ["test", "job", *FAMILIES, "schedules", "time"],
        ["test_a", "send_signup_mail(1)", "holds", "holds", "FAILS JC301", "holds", "holds", "7", "1.2 s"],
        ["test_b", "send_signup_mail(1)", *["JC903"] * 5, "7", "1.2 s"],
        ["test_c", "send_signup_mail(1)", *["holds"] * 5, "7", "1.2 s"],
        ["3 checks: 1 holds, 1 fails, 1 inconclusive"],
    ]
    assert len({line.find("holds") for line in table[1:4:2]}) == 1
    assert len(set(map(len, table[:4]))) == 1


def test_families_that_were_not_tried_are_left_blank() -> None:
    only_crash = replace(FAILS, families=FAILS.families[2:3])
    cells = lines(("t.py::test", only_crash))[1].split()
    assert cells[1:6] == ["send_signup_mail(1)", "-", "-", "FAILS", "JC301"]


def test_a_further_family_gets_a_column() -> None:
    slow = replace(HOLDS, families=(*HELD, FamilyResult("throttle", "holds", planned=1, run=1, failing=0)))
    head, *_ = lines(("t.py::test", slow), ("t.py::other", HOLDS))
    assert head.split() == ["test", "job", *FAMILIES, "throttle", "schedules", "time"]


def test_advice_is_not_shown_as_a_failure() -> None:
    advised = replace(HOLDS, findings=(Finding("JC701", "treat that as success"),))
    assert "JC701" not in "".join(lines(("t.py::test", advised)))


@pytest.mark.parametrize(
    ("nodeids", "names"),
    [
        (["a/t.py::test_a", "b/t.py::test_b"], ["test_a", "test_b"]),
        (["a/t.py::test", "a/u.py::test"], ["t.py::test", "u.py::test"]),
        (["a/t.py::test", "b/t.py::test"], ["a/t.py::test", "b/t.py::test"]),
        (["t.py::TestA::test", "t.py::TestB::test"], ["TestA::test", "TestB::test"]),
        (["t.py::test[a/b::c]", "t.py::test[d]"], ["test[a/b::c]", "test[d]"]),
    ],
)
def test_a_test_is_named_as_shortly_as_they_can_be_told_apart(nodeids: list[str], names: list[str]) -> None:
    _, *rows, _ = lines(*((nodeid, HOLDS) for nodeid in nodeids))
    assert [line.split()[0] for line in rows] == names


def test_checks_of_one_job_in_one_test_share_a_line_with_the_worst_result() -> None:
    many = [("t.py::test", replace(HOLDS, job=f"send({number})")) for number in range(5)]
    head, line, total = lines(*many, ("t.py::test", replace(FAILS, job="send(7)")))
    assert line.split()[:5] == ["test", "send(7)", "and", "5", "more"]
    assert line.split()[-6:] == ["JC301", "holds", "holds", "42", "7.5", "s"]
    assert total == "6 checks: 5 hold, 1 fails"
    assert len(line) <= len(head)


def test_checks_of_one_job_with_other_faults_share_a_line_with_all_of_them() -> None:
    twice = replace(HOLDS, families=HELD[:1])
    crashing = replace(FAILS, families=FAILS.families[2:3], job=HOLDS.job)
    _, line, total = lines(("t.py::test", twice), ("t.py::test", crashing))
    assert line.split()[1:6] == [HOLDS.job, "holds", "-", "FAILS", "JC301"]
    assert total == "2 checks: 1 holds, 1 fails"


def test_a_check_that_never_began_is_not_hidden_by_another() -> None:
    _, line, _ = lines(("t.py::test", HOLDS), ("t.py::test", replace(UNDECIDED, job=HOLDS.job)))
    assert "holds" not in line


def test_several_checks_of_one_test_are_told_apart_by_their_jobs() -> None:
    _, first, second, _ = lines(("t.py::test", replace(HOLDS, job="b()")), ("t.py::test", replace(HOLDS, job="a()")))
    assert (first.split()[:2], second.split()[:2]) == (["test", "a()"], ["test", "b()"])


def test_no_line_is_wider_than_a_wide_terminal() -> None:
    long = replace(FAILS, job=f"send({'x' * 300})")
    table = lines((f"t.py::test_{'y' * 300}", long), ("t.py::test", UNDECIDED))
    assert max(map(len, table)) <= 150


def test_nothing_checked_gives_no_table() -> None:
    assert summary_lines([]) == []


def test_one_check_is_not_several() -> None:
    assert lines(("t.py::test", HOLDS))[-1] == "1 check: 1 holds"


def test_terminal_codes_are_not_printed() -> None:
    text = "".join(lines(("t.py::test[\x1b[2J]", replace(HOLDS, job="send('\x1b[2J')"))))
    assert text.isprintable()
