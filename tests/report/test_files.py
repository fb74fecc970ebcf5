"""The suffix chooses the kind of file, and a mistake leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from jobchaos.errors import MissingExtraError, UsageError
from jobchaos.report.files import write_report
from jobchaos.report.html_report import write_html
from jobchaos.report.json_report import to_dict, write_json
from jobchaos.report.xml_report import write_xml
from tests.report.builders import NODEID, finding, verdict


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return [to_dict(verdict(finding()), NODEID)]


@pytest.mark.parametrize("name", ["out.json", "OUT.JSON", "a.b.Json"])
def test_json_is_chosen_by_its_suffix(name: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    write_report(tmp_path / name, rows)
    assert json.loads((tmp_path / name).read_text(encoding="utf-8"))["jobs"] == rows


@pytest.mark.parametrize("name", ["out.xml", "out.json.XML"])
def test_xml_is_chosen_by_its_suffix(name: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    write_report(tmp_path / name, rows)
    assert ET.parse(tmp_path / name).getroot().tag == "testsuites"


@pytest.mark.parametrize(("suffix", "writer"), [(".json", write_json), (".xml", write_xml), (".html", write_html)])
def test_a_file_is_no_other_than_its_writer_writes(
    suffix: str, writer: Any, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    if suffix == ".html":
        pytest.importorskip("jinja2")
    write_report(tmp_path / f"one{suffix}", rows)
    writer(rows, tmp_path / f"two{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_a_path_may_be_text_and_relative(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_report("out.json", rows)
    assert os.listdir(tmp_path) == ["out.json"]


def test_missing_directories_are_made(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    write_report(tmp_path / "build" / "reports" / "out.xml", rows)
    assert os.listdir(tmp_path / "build" / "reports") == ["out.xml"]


def test_an_older_report_is_replaced(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    write_report(tmp_path / "out.json", rows * 3)
    write_report(tmp_path / "out.json", rows)
    assert len(json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["jobs"]) == 1


@pytest.mark.parametrize("name", ["out.txt", "out", "json", ".json", "out.json.gz", "out.htm"])
def test_another_suffix_is_refused_and_nothing_written(name: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_report(tmp_path / "reports" / name, rows)
    assert repr(str(tmp_path / "reports" / name)) in str(caught.value)
    assert str(caught.value).endswith("its name must end in one of .json, .html, .xml")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["out.html", "out.HTML"])
def test_a_page_without_jinja2_names_what_to_install(
    name: str, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r'pip install "jobchaos\[html\]"'):
        write_report(tmp_path / name, rows)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["out.json", "out.xml"])
def test_the_other_files_need_no_jinja2(
    name: str, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    write_report(tmp_path / name, rows)
    assert os.listdir(tmp_path) == [name]
