"""The documents say what is so: code runs, reports are real, tables are complete, links lead on.

A comment before a fenced block says what the block is:

    <!-- run: passes -->                 a test module; so is `<!-- run: fails JC103 -->`, with exactly these codes
    <!-- run: module shop.py -->         a file beside all test modules of its document
    <!-- file: PATH -->                  a part of that file
    <!-- report: EXAMPLE TEST -->        what is printed when that test fails, all of it
    <!-- printed: EXAMPLE -->            a part of what is printed when that example is run

Python without one is only compiled. Where an example prints something else by now, paste what the assertion shows.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.finding import CODES
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.core.settings import Settings
from jobchaos.errors import UsageError
from jobchaos.pytest_plugin import options, plugin, suite_options
from tests.core.test_schedule import schedules

LETTERS = string.ascii_uppercase
DIGITS = " | ".join(f'"{digit}"' for digit in string.digits)
ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs/tutorial.md"
OPTIONS = ROOT / "docs/reference/options.md"
TOKENS = ROOT / "docs/reference/tokens.md"
DOCUMENTS = sorted([README, ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")])

_BLOCK = re.compile(r"^(?:<!-- (\w+): (.*?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block, and what the comment before it says."""

    document: Path
    number: int
    kind: str
    argument: str
    language: str
    text: str

    @property
    def is_test(self) -> bool:
        return self.kind == "run" and not self.argument.startswith("module ")

    def __str__(self) -> str:
        return f"{self.document.name} {self.number}"


BLOCKS = [
    Block(document, number, *(group or "" for group in match.groups()))
    for document in DOCUMENTS
    for number, match in enumerate(_BLOCK.finditer(document.read_text(encoding="utf-8")))
]


CHECKED = [
    pytest.param(block, marks=() if block.document in (README, TUTORIAL) else pytest.mark.thorough)
    for block in BLOCKS
    if block.is_test
]
"""Each page takes a process and some seconds; the README and the tutorial are checked in every run."""


def each(chosen: Callable[[Block], bool]) -> pytest.MarkDecorator:
    """Run a test for each block that is chosen."""
    return pytest.mark.parametrize("block", [block for block in BLOCKS if chosen(block)], ids=str)


def run_pytest(folder: Path, *arguments: str) -> str:
    """Run pytest on a folder, as its user would; return what it prints."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "--junitxml=junit.xml",
        *arguments,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), result.stdout + result.stderr
    return result.stdout


def outcomes(folder: Path) -> dict[str, str]:
    """Module to `passes` or `fails CODES`, of its tests together."""
    found: dict[str, str] = {}
    for case in ET.parse(folder / "junit.xml").iter("testcase"):
        checks = [item.attrib["value"] for item in case.iter("property") if item.get("name") == "jobchaos"]
        codes = " ".join(re.findall(r"JC\d+", " ".join(checks)))
        failed = case.find("failure") is not None or case.find("error") is not None
        module = case.attrib["classname"].partition(".")[0]
        if failed or module not in found:
            found[module] = f"fails {codes}".strip() if failed else "passes"
    return found


# --- code ------------------------------------------------------------------------------------------------------------


@cache
def outcomes_of(document: Path) -> dict[str, str]:
    """Run all test modules of a document, in one process."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for block in BLOCKS:
            if block.document == document and block.kind == "run":
                file = f"test_{block.number}.py" if block.is_test else block.argument.removeprefix("module ")
                (folder / file).write_text(block.text, encoding="utf-8")
        run_pytest(folder)
        return outcomes(folder)


@pytest.mark.parametrize("block", CHECKED, ids=str)
def test_code_does_what_the_text_says(block: Block) -> None:
    assert outcomes_of(block.document)[f"test_{block.number}"] == block.argument


@each(lambda block: block.language == "python")
def test_code_compiles(block: Block) -> None:
    ast.parse(block.text)


@each(lambda block: block.kind == "file")
def test_code_from_a_file_is_still_in_it(block: Block) -> None:
    assert block.text in (ROOT / block.argument).read_text(encoding="utf-8")


def test_every_comment_is_understood() -> None:
    assert {block.kind for block in BLOCKS} <= {"", "run", "file", "report", "printed"}
    for document in DOCUMENTS:
        comments = re.findall(r"<!-- (?:run|file|report|printed):", document.read_text(encoding="utf-8"))
        assert len(comments) == sum(bool(block.kind) for block in BLOCKS if block.document == document), document


# --- what is printed -------------------------------------------------------------------------------------------------


@cache
def printed(example: str) -> str:
    """What is printed when an example is run, without times."""
    with TemporaryDirectory() as name:
        copy = Path(name, example)
        shutil.copytree(ROOT / "examples" / example, copy, ignore=shutil.ignore_patterns("__pycache__"))
        return without_times(run_pytest(copy, "--jobchaos"))


def without_times(text: str) -> str:
    return re.sub(r" +(?:time|\d+\.\d s)$", " ... s", text, flags=re.MULTILINE)


@pytest.mark.thorough  # the examples run in every run, too, and their verdicts are compared
@each(lambda block: block.kind == "report")
def test_a_report_is_what_is_printed(block: Block) -> None:
    example, test = block.argument.split()
    match = re.search(rf"^_+ {test} _+\n(.*?)\n\n\S+:\d+: JobChaosError$", printed(example), re.MULTILINE | re.DOTALL)
    assert match is not None
    assert block.text == match[1] + "\n"


@pytest.mark.thorough
@each(lambda block: block.kind == "printed")
def test_an_excerpt_is_printed(block: Block) -> None:
    assert without_times(block.text) in printed(block.argument)


def test_the_readme_shows_a_report_that_can_be_replayed() -> None:
    (block,) = (block for block in BLOCKS if block.document == README and block.kind == "report")
    line, *_ = re.findall(r"^  replay +(pytest .*)$", block.text, re.MULTILINE)
    assert shlex.split(line) == ["pytest", "--jobchaos-replay", "A3!kill A", "test_locked.py::test_locked"]


# --- commands --------------------------------------------------------------------------------------------------------

MAIN_JOB = 'pip install -e ".[test]" && pytest --jobchaos examples/registration_mail'
TESTS = 'pip install -e ".[test]" && pytest'


def test_the_readme_has_both_commands() -> None:
    commands = [block.text.strip() for block in BLOCKS if block.document == README and block.language == "sh"]
    assert commands == [MAIN_JOB, TESTS]


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    assert TESTS in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


# --- tables ----------------------------------------------------------------------------------------------------------


class Recorder:
    """Stands for pytest's parser, and remembers what is added to it."""

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.ini: list[str] = []

    def getgroup(self, *_: Any) -> Recorder:
        return self

    def addoption(self, name: str, **_: Any) -> None:
        self.flags.append(name)

    def addini(self, name: str, *_: Any, **__: Any) -> None:
        self.ini.append(name)


@pytest.fixture(scope="module")
def parser() -> Recorder:
    recorder = Recorder()
    options.add(recorder)  # type: ignore[arg-type]
    suite_options.add(recorder)  # type: ignore[arg-type]
    return recorder


def table(document: Path, head: str) -> list[list[str]]:
    """The cells of all rows, below the head, of the tables whose first column is `head`; without backquotes."""
    tables = re.findall(
        rf"^\| {head} \|.*\n\|[- |]+\n((?:\|.*\n)+)", document.read_text(encoding="utf-8"), re.MULTILINE
    )
    rows = [line.strip("|").split("|") for text in tables for line in text.splitlines()]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


def firsts(document: Path, head: str) -> list[str]:
    """The first column of the same."""
    return [row[0] for row in table(document, head)]


OTHER_INI = {"jobchaos_idempotent", "jobchaos_tasks"}
"""Of zero-change mode, and no part of the settings of a check."""

FIELDS = [field.name for field in dataclasses.fields(Settings)]


def test_all_fixtures_are_listed() -> None:
    assert sorted(firsts(README, "fixture")) == sorted(plugin.__all__)


@pytest.mark.parametrize(("document", "head"), [(README, "command line"), (OPTIONS, "flag")])
def test_all_flags_are_listed(document: Path, head: str, parser: Recorder) -> None:
    assert firsts(document, head) == parser.flags


def test_all_settings_are_listed(parser: Recorder) -> None:
    assert firsts(README, "option") == FIELDS
    rows = table(OPTIONS, "setting")
    assert [row[0] for row in rows] == FIELDS
    assert sorted(row[1] for row in rows if row[1] != "none") == sorted({*parser.ini} - OTHER_INI)


def test_defaults_are_what_is_listed() -> None:
    words = {"": "nothing", "0": "the profile's", "-1": "the profile's", "None": "the real time"}
    for name, _, default, *_rest in table(OPTIONS, "setting"):
        field = next(field for field in dataclasses.fields(Settings) if field.name == name)
        value = "" if field.default == () else str(field.default)
        expected = {"profile": "quick", "seed": "0", "within": "no limit"}.get(name, words.get(value, value))
        assert default == expected, name


def test_all_codes_are_listed() -> None:
    rows = table(ROOT / "docs/reference/finding-codes.md", "code")
    assert {row[0]: row[1] for row in rows} == CODES
    assert [row[0] for row in rows] == sorted(CODES)
    assert all(len(row) == 4 and all(row) for row in rows)


def test_tokens_are_read_and_written_as_listed() -> None:
    rows = table(TOKENS, "token")
    assert len(rows) >= 10
    for token, written, _ in rows:
        schedule = Schedule.parse(token)
        assert str(schedule) == written
        assert Schedule.parse(written) == schedule


def test_the_grammar_has_every_fault() -> None:
    (grammar,) = (block.text for block in BLOCKS if block.language == "ebnf")
    assert all(f'"{fault.value}"' in grammar for fault in Fault)


def pattern(rules: dict[str, str], name: str) -> str:
    """A rule of the grammar as a regular expression."""
    brackets = {"{": "(?:", "}": ")*", "[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|", ",": ""}
    found = []
    for part in re.findall(r'"[^"]*"|\w+|\S', rules[name]):
        if part[0] == '"':
            found.append(re.escape(part[1:-1]))
        else:
            found.append(brackets[part] if part in brackets else f"(?:{pattern(rules, part)})")
    return "".join(found)


@cache
def grammar() -> str:
    """What the reference says that a token is."""
    (text,) = (block.text for block in BLOCKS if block.language == "ebnf")
    text = re.sub(r"\(\*.*?\*\)", "", text).replace(
        '"C" | ... | "Z"', " | ".join(f'"{letter}"' for letter in LETTERS[2:])
    )
    rules = dict(rule.split("=", 1) for rule in text.replace("\n", " ").split(";") if rule.strip())
    return pattern({name.strip(): rule for name, rule in rules.items()} | {"digit": DIGITS}, "token")


@given(schedules())
def test_tokens_are_written_by_the_grammar(schedule: Schedule) -> None:
    assert re.fullmatch(grammar(), str(schedule))


@given(st.data())
def test_what_the_grammar_allows_is_read(data: st.DataObject) -> None:
    """But for what its comments say."""
    token = data.draw(st.from_regex(grammar(), fullmatch=True))
    try:
        Schedule.parse(token)
        refused = ""
    except UsageError as error:
        refused = str(error)
    reasons = ("no copy runs", "no time passes", "wrong by nothing is right", "whole nanoseconds", "counted from 1")
    assert not refused or any(reason in refused for reason in reasons), refused


# --- links and sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    text = _BLOCK.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert "://" in target or (document.parent / target).exists(), target


def test_every_document_is_linked_from_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for document in sorted((ROOT / "docs").rglob("*.md")):
        path = document.relative_to(ROOT / "docs").as_posix()
        assert path == "index.md" or f"({path})" in index, path


def test_the_architecture_is_told_in_sixty_lines() -> None:
    assert len((ROOT / "docs/architecture.md").read_text(encoding="utf-8").splitlines()) <= 60


# --- the template ----------------------------------------------------------------------------------------------------

TEMPLATE = ROOT / "conftest_template.py"
JOB = """
import contextlib
import sqlite3


def touch(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE orders SET updated_at = coalesce(updated_at, 0) + 1")


def test_touch(jobchaos, tmp_path):
    path = str(tmp_path / "shop.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE orders (updated_at INTEGER); INSERT INTO orders VALUES (NULL)")
    jobchaos(touch, path)
"""


def template_project(folder: Path) -> str:
    """A project with the template as its conftest, and a job that needs its option; return the option's text."""
    template = TEMPLATE.read_text(encoding="utf-8")
    (folder / "conftest.py").write_text(template, encoding="utf-8")
    (folder / "test_touch.py").write_text(JOB, encoding="utf-8")
    toml = re.search(r"^#     \[tool.*?(?=^#\n)", template, re.MULTILINE | re.DOTALL)
    assert toml is not None
    return re.sub(r"^#     ", "", toml[0], flags=re.MULTILINE)


def test_the_template_works_as_it_is(tmp_path: Path) -> None:
    template_project(tmp_path)
    run_pytest(tmp_path)
    assert outcomes(tmp_path) == {"test_touch": "fails JC103 JC203 JC303 JC503"}


@pytest.mark.thorough
def test_the_options_in_the_template_work(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(template_project(tmp_path), encoding="utf-8")
    run_pytest(tmp_path)
    assert outcomes(tmp_path) == {"test_touch": "passes"}
