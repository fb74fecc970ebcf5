"""XML: verdicts as JUnit test cases, which every CI system shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

_ELEMENTS = {"fails": "failure", "inconclusive": "error"}


def write_xml(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows from `to_dict` to a file: one test case a check, its report as the failure's text."""
    statuses = [row["status"] for row in rows]
    suite = ET.Element(
        "testsuite",
        name="jobchaos",
        tests=str(len(rows)),
        failures=str(statuses.count("fails")),
        errors=str(statuses.count("inconclusive")),
        skipped="0",
        time=_seconds(sum(row["seconds"] for row in rows)),
    )
    suite.extend(_case(row) for row in rows)
    suites = ET.Element("testsuites", name="jobchaos")
    suites.append(suite)
    ET.indent(suites)
    ET.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def _case(row: Mapping[str, Any]) -> ET.Element:
    file, _, test = row["nodeid"].partition("::")
    case = ET.Element(
        "testcase",
        classname=file.removesuffix(".py").replace("/", "."),
        name=f"{test}: {row['job']}",
        time=_seconds(row["seconds"]),
    )
    properties = ET.SubElement(case, "properties")
    for name, value in _properties(row):
        ET.SubElement(properties, "property", name=name, value=value)
    if row["status"] in _ELEMENTS:
        gating = next(
            (finding for finding in row["findings"] if finding["gates"]), {"code": "", "message": row["claim"]}
        )
        wrong = ET.SubElement(case, _ELEMENTS[row["status"]], message=gating["message"], type=gating["code"])
        wrong.text = row["report"]
    return case


def _properties(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("status", row["status"]),
        ("claim", row["claim"]),
        ("schedules_run", str(row["schedules_run"])),
        *((f"family.{family['name']}", family["status"]) for family in row["families"]),
        *(("finding", finding["code"]) for finding in row["findings"]),
        *(("note", note) for note in row["notes"]),
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
