"""The XML file is what CI systems read: one test case a check, well-formed whatever the job's world holds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.finding import Finding
from jobchaos.core.verdict import Verdict
from jobchaos.report.json_report import to_dict
from jobchaos.report.xml_report import write_xml
from tests.report.builders import NODEID, finding, verdict

_HOLDS = verdict(status="holds", job="sound(1)")
_FAILS = verdict(finding(), finding("JC701", "raises although the work is done"))
_INCONCLUSIVE = verdict(Finding("JC903", "fails without any fault"), status="inconclusive", job="broken(1)")


def suites(path: Path, *verdicts: Verdict, nodeid: str = NODEID) -> ET.Element:
    """Write, and read back what stands in the file."""
    write_xml([to_dict(item, nodeid) for item in verdicts], path / "out.xml")
    return ET.parse(path / "out.xml").getroot()


def case(root: ET.Element) -> ET.Element:
    (found,) = root.iter("testcase")
    return found


def properties(element: ET.Element) -> list[tuple[str | None, str | None]]:
    return [(item.get("name"), item.get("value")) for item in element.iter("property")]


def test_the_suite_counts_its_checks(tmp_path: Path) -> None:
    root = suites(tmp_path, _HOLDS, _FAILS, _INCONCLUSIVE, _FAILS)
    assert (root.tag, root.attrib) == ("testsuites", {"name": "jobchaos"})
    (suite,) = root
    assert suite.tag == "testsuite"
    assert suite.attrib == {
        "name": "jobchaos",
        "tests": "4",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
        "time": "5.000",
    }
    assert [element.tag for element in suite] == ["testcase"] * 4


def test_no_check_is_an_empty_suite(tmp_path: Path) -> None:
    (suite,) = suites(tmp_path)
    assert (suite.get("tests"), suite.get("time"), len(suite)) == ("0", "0.000", 0)


def test_a_check_that_holds_is_a_passed_case(tmp_path: Path) -> None:
    element = case(suites(tmp_path, _HOLDS))
    assert element.attrib == {"classname": "tests.test_mail", "name": "test_signup: sound(1)", "time": "1.250"}
    assert [child.tag for child in element] == ["properties"]


def test_a_check_that_fails_tells_its_first_finding_and_the_whole_report(tmp_path: Path) -> None:
    element = case(suites(tmp_path, _FAILS))
    assert [child.tag for child in element] == ["properties", "failure"]
    assert element[1].attrib == {"message": "mails twice", "type": "JC301"}
    assert element[1].text == to_dict(_FAILS, NODEID)["report"]


def test_advice_is_not_what_failed(tmp_path: Path) -> None:
    advice_first = verdict(Finding("JC702", "catches BaseException"), finding())
    assert case(suites(tmp_path, advice_first))[1].attrib == {"message": "mails twice", "type": "JC301"}


def test_an_inconclusive_check_is_an_error(tmp_path: Path) -> None:
    element = case(suites(tmp_path, _INCONCLUSIVE))
    assert [child.tag for child in element] == ["properties", "error"]
    assert element[1].attrib == {"message": "fails without any fault", "type": "JC903"}


def test_without_a_finding_the_claim_says_what_is_wrong(tmp_path: Path) -> None:
    element = case(suites(tmp_path, verdict(status="inconclusive")))
    assert element[1].attrib == {"message": "at most 1 kill; 7 crash points", "type": ""}


def test_the_properties_tell_the_claim_and_its_conditions(tmp_path: Path) -> None:
    shown = verdict(finding(), Finding("JC701", "advice"), notes=("ignored: users.at", "renamed: users.id"))
    assert properties(case(suites(tmp_path, shown))) == [
        ("status", "fails"),
        ("claim", "at most 1 kill; 7 crash points"),
        ("schedules_run", "7"),
        ("family.crash", "fails"),
        ("finding", "JC301"),
        ("finding", "JC701"),
        ("note", "ignored: users.at"),
        ("note", "renamed: users.id"),
    ]


@pytest.mark.parametrize(
    ("nodeid", "classname", "name"),
    [
        ("test_a.py::test_b", "test_a", "test_b: job()"),
        ("tests/x/test_a.py::TestA::test_b", "tests.x.test_a", "TestA::test_b: job()"),
        ("tests/test_a.py::test_b[a/b.py::c]", "tests.test_a", "test_b[a/b.py::c]: job()"),
    ],
)
def test_a_case_is_named_after_its_test_and_its_job(nodeid: str, classname: str, name: str, tmp_path: Path) -> None:
    element = case(suites(tmp_path, verdict(status="holds", job="job()"), nodeid=nodeid))
    assert (element.get("classname"), element.get("name")) == (classname, name)


_ODD = st.text(max_size=20) | st.text("<>&\"']]>\x00\x1b\ufffe\ufffb\ud800\r\n\x85", max_size=20)


@given(job=_ODD, message=_ODD, note=_ODD, detail=_ODD)
def test_any_text_gives_a_file_that_reads_back(
    tmp_path_factory: pytest.TempPathFactory, job: str, message: str, note: str, detail: str
) -> None:
    shown = verdict(finding(message=message, detail=detail), job=job, notes=(note,))
    expected = to_dict(shown, NODEID)
    element = case(suites(tmp_path_factory.getbasetemp(), shown))
    assert element.get("name") == f"test_signup: {expected['job']}"
    assert element[1].get("message") == expected["findings"][0]["message"]
    assert element[1].text == expected["report"]
    assert properties(element)[-1] == ("note", expected["notes"][0])


def test_the_file_is_utf8_ends_with_its_root_and_is_the_same_every_time(tmp_path: Path) -> None:
    shown = verdict(finding(message="mails Zo\u00eb \u4f60 twice"))
    suites(tmp_path, shown)
    once = (tmp_path / "out.xml").read_bytes()
    suites(tmp_path, shown)
    assert (tmp_path / "out.xml").read_bytes() == once
    assert once.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    assert "Zo\u00eb \u4f60".encode() in once
    assert once.endswith(b"</testsuites>")
