"""The HTML page: complete, without scripts, and harmless whatever a job is called."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobchaos.core.verdict import Verdict
from jobchaos.errors import MissingExtraError
from jobchaos.report.html_report import write_html
from jobchaos.report.json_report import to_dict
from tests.report.builders import NODEID, finding, verdict

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Reads a page: its elements, its text, and whether each element is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path, *verdicts: Verdict) -> Page:
    path = folder / "report.html"
    write_html([to_dict(shown, NODEID) for shown in verdicts], path)
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_has_every_check_with_its_report(tmp_path: Path) -> None:
    shown = page(tmp_path, verdict(finding()), verdict(status="holds", job="other(2)"))
    for expected in (
        NODEID,
        "JC301",
        "send_signup_mail(1)",
        "other(2)",
        "1 failing",
        "A3!kill A",
        "killed before COMMIT",
    ):
        assert expected in shown.text
    assert shown.elements.count("pre") == 2


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    shown = page(tmp_path, verdict(finding()))
    assert not {"script", "link", "img", "iframe"} & set(shown.elements)
    assert not {"src", "onclick", "onload"} & {name for name, _ in shown.attributes}
    assert all(value and value.startswith("#") for name, value in shown.attributes if name == "href")


def test_markup_in_a_job_stays_text(tmp_path: Path) -> None:
    hostile = "send('<script>alert(1)</script>', \"'><img src=x>\")"
    shown = page(tmp_path, verdict(finding(message="</pre><script>alert(2)</script>"), job=hostile))
    assert not {"script", "img"} & set(shown.elements)
    assert hostile in shown.text
    assert "</pre><script>alert(2)</script>" in shown.text


def test_a_session_without_checks_gives_a_page(tmp_path: Path) -> None:
    assert "0 checks" in page(tmp_path).text


def test_without_jinja2_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r'pip install "jobchaos\[html\]"'):
        write_html([], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
