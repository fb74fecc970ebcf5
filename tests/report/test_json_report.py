"""The JSON file holds every verdict in full, as plain, masked, printable values, and the same bytes every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.diff import Change, Diff
from jobchaos.core.finding import CODES, Finding
from jobchaos.core.trace import Trace
from jobchaos.core.verdict import FamilyResult, Verdict
from jobchaos.report.json_report import VERSION, to_dict, write_json
from jobchaos.report.xml_report import write_xml
from tests.report.builders import NODEID, did, finding, sql, verdict

_VERDICT: dict[str, type] = {
    "nodeid": str,
    "job": str,
    "status": str,
    "claim": str,
    "report": str,
    "notes": list,
    "families": list,
}
_VERDICT |= {"findings": list, "schedules_run": int, "seconds": float, "effects": int, "duration": int}
_FAMILY = {"name": str, "status": str, "planned": int, "run": int, "failing": int, "pruned": int}
_FINDING = {"code": str, "meaning": str, "gates": bool, "message": str, "schedule": str, "nearest": str}
_FINDING |= {"failing": int, "total": int, "replays": list, "replay": str, "diff": dict, "trace": list}
_FINDING |= {"confirmed": str}
_FINDING |= {"detail": list, "fix": str}
_CHANGE = {"store": str, "table": str, "kind": str, "count": int, "expected": int, "row": dict, "before": dict}
_CHANGE |= {"model": str, "text": str}
_MOMENT = {"number": int, "happening": str, "copy": str, "attempt": int, "text": str, "outcome": str}
_MOMENT |= {"applied": bool, "site": str, "at": int}
_NULLABLE = {"schedule", "nearest", "replay", "diff", "trace", "number"}


def assert_has(value: dict[str, Any], keys: dict[str, type]) -> None:
    """Exactly these keys, each of its type; null only where no schedule, or no effect, may be."""
    assert set(value) == set(keys)
    for key, kind in keys.items():
        assert type(value[key]) is kind or (key in _NULLABLE and value[key] is None), f"{key}: {value[key]!r}"


def assert_is_verdict(value: dict[str, Any]) -> None:
    assert_has(value, _VERDICT)
    for family in value["families"]:
        assert_has(family, _FAMILY)
    for item in value["findings"]:
        assert_has(item, _FINDING)
        assert [type(count) for count in item["replays"]] == [int, int]
        for moment in item["trace"] or ():
            assert_has(moment, _MOMENT)
        assert set(item["diff"] or ()) <= {"changes", "equal"}
        for change in (item["diff"] or {"changes": ()})["changes"]:
            assert_has(change, _CHANGE)
            assert {type(cell) for cell in (*change["row"].values(), *change["before"].values())} <= {str}


def texts(value: Any) -> Iterator[str]:
    """Every text in a document, keys included; of reports, which alone have several lines, every line."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from item.split("\n") if key == "report" else texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def written(path: Path, *verdicts: Verdict) -> Any:
    """What stands in the file."""
    write_json([to_dict(item, NODEID) for item in verdicts], path / "out.json")
    return json.loads((path / "out.json").read_text(encoding="utf-8"))


def found(item: Finding) -> dict[str, Any]:
    (result,) = to_dict(verdict(item), NODEID)["findings"]
    assert isinstance(result, dict)
    return result


def test_a_document_names_its_format_and_holds_all_verdicts_in_order(tmp_path: Path) -> None:
    document = written(tmp_path, verdict(finding()), verdict(status="holds", job="b"), verdict(job="a"))
    assert list(document) == ["format", "version", "jobs"]
    assert (document["format"], document["version"]) == ("jobchaos", VERSION)
    assert [item["job"] for item in document["jobs"]] == ["send_signup_mail(1)", "b", "a"]


@pytest.mark.parametrize("code", CODES)
def test_every_key_is_there_and_of_its_type_with_and_without_a_schedule(code: str, tmp_path: Path) -> None:
    document = written(tmp_path, verdict(finding(code, detail="a\nb"), Finding(code, "bare"), notes=("note",)))
    (job,) = document["jobs"]
    assert_is_verdict(job)
    assert [item["meaning"] for item in job["findings"]] == [CODES[code]] * 2


def test_what_is_written_is_what_was_given(tmp_path: Path) -> None:
    shown = verdict(finding(detail="a\n  b"), notes=("one", "two"))
    assert written(tmp_path, shown)["jobs"] == [to_dict(shown, NODEID)]


def test_a_verdict_keeps_its_numbers_and_texts() -> None:
    value = to_dict(verdict(notes=("ignored: users.at",)), NODEID)
    assert value["nodeid"] == NODEID
    assert (value["status"], value["schedules_run"], value["seconds"]) == ("fails", 7, 1.25)
    assert (value["claim"], value["notes"]) == ("at most 1 kill; 7 crash points", ["ignored: users.at"])
    crash = {"name": "crash", "status": "fails", "planned": 7, "run": 7, "failing": 1, "pruned": 0}
    assert value["families"] == [crash]


def test_a_finding_keeps_its_schedules_and_how_to_replay_them() -> None:
    value = found(finding(detail="Traceback:\n  line\n\n"))
    assert (value["code"], value["gates"], value["message"]) == ("JC301", True, "mails twice")
    assert (value["schedule"], value["nearest"]) == ("A3!kill A", "A2!kill A")
    assert (value["failing"], value["total"], value["replays"]) == (1, 7, [10, 10])
    assert value["replay"] == f"pytest --jobchaos-replay 'A3!kill A' {NODEID}"
    assert value["detail"] == ["Traceback:", "  line"]
    assert value["fix"] == "a Message-ID derived from the user"


def test_a_finding_without_a_schedule_has_none_of_what_comes_with_it() -> None:
    value = found(Finding("JC701", "raises although the work is done"))
    assert value["gates"] is False
    assert [value[key] for key in ("schedule", "nearest", "replay", "diff", "trace")] == [None] * 5
    assert (value["detail"], value["fix"]) == ([], "")


def test_a_diff_tells_every_row_as_cells_and_in_words() -> None:
    assert found(finding())["diff"] == {
        "changes": [
            {
                "store": "mail",
                "table": "mail",
                "model": "",
                "kind": "extra",
                "count": 2,
                "expected": 1,
                "row": {"to": '"ann@example.com"', "subject": '"Welcome"'},
                "before": {},
                "text": 'ann@example.com "Welcome"',
            }
        ],
        "equal": ["app.db.users"],
    }


def test_all_changes_of_a_long_diff_are_there() -> None:
    changes = tuple(Change("app.db", "users", {"id": index}, 1, 0, {}) for index in range(200))
    value = found(Finding("JC103", "differs", diff=Diff(changes, ())))
    assert [change["row"] for change in value["diff"]["changes"]] == [{"id": str(index)} for index in range(200)]


def test_a_trace_is_told_moment_by_moment_and_in_full() -> None:
    value = found(Finding("JC103", "differs", trace=Trace(tuple(did(sql(f"SELECT {n}"), "-> 0") for n in range(200)))))
    assert [moment["text"] for moment in value["trace"]] == [f"SELECT {n}" for n in range(200)]
    assert [moment["number"] for moment in value["trace"]] == list(range(1, 201))
    assert {moment["outcome"] for moment in value["trace"]} == {"-> 0"}


def test_secrets_are_in_no_part_of_the_document() -> None:
    secret = "password='hunter2'"
    change = Change("app.db", "users", {"id": 1, "password": "hunter2", "note": secret}, 1, 1, {"password": "hunter2"})
    odd = Finding("JC103", secret, diff=Diff((change,), ()), trace=Trace((did(sql(secret), secret),)), detail=secret)
    value = to_dict(verdict(odd, job=f"login({secret})", notes=(secret,)), NODEID)
    assert "hunter2" not in json.dumps(value)
    assert value["findings"][0]["diff"]["changes"][0]["row"]["password"] == "***"


_ODD = st.text(max_size=20) | st.text('\x00\x1b\x9b\u202e\ud800\udcff\ufffe\r\n\x85\u2028"\\', max_size=20)


@given(odd=_ODD, column=_ODD)
def test_any_text_is_printable_in_the_document_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, odd: str, column: str
) -> None:
    diff = Diff((Change(odd, odd, {column: odd}, 1, 1, {column: odd}),), (odd,))
    trace = Trace((did(sql(odd), odd),))
    item = Finding("JC103", odd, diff=diff, trace=trace, fix=odd, detail=odd)
    document = written(tmp_path_factory.getbasetemp(), verdict(item, job=odd, notes=(odd,)))
    assert_is_verdict(document["jobs"][0])
    assert not [text for text in texts(document) if not text.isprintable()]


@pytest.mark.parametrize("character", ["\x1b", "\udcff"])
def test_a_test_in_an_oddly_named_file_is_reported_too(character: str, tmp_path: Path) -> None:
    rows = [to_dict(verdict(finding()), f"tests/test_{character}.py::test")]
    write_json(rows, tmp_path / "out.json")
    write_xml(rows, tmp_path / "out.xml")
    ET.parse(tmp_path / "out.xml")
    assert not [text for text in texts(rows) if not text.isprintable()]


def test_letters_of_all_languages_stay_as_they_are(tmp_path: Path) -> None:
    written(tmp_path, verdict(finding(message="mails Zo\u00eb \u4f60 twice")))
    content = (tmp_path / "out.json").read_bytes()
    assert "mails Zo\u00eb \u4f60 twice".encode() in content
    assert content.endswith(b"}\n")


_SCRIPT = """
import sys
from pathlib import Path
from jobchaos.report.json_report import to_dict, write_json
from tests.report.builders import NODEID, finding, verdict
write_json([to_dict(verdict(finding(detail="a"), notes=("b", "c")), NODEID)], Path(sys.argv[1]))
"""


def test_the_same_verdict_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
        command = [sys.executable, "-c", _SCRIPT, str(tmp_path / seed)]
        subprocess.run(command, check=True, cwd=root, env=environment, timeout=60)
    write_json([to_dict(verdict(finding(detail="a"), notes=("b", "c")), NODEID)], tmp_path / "here")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == (tmp_path / "here").read_bytes()


def test_a_verdict_without_families_is_as_well_formed(tmp_path: Path) -> None:
    early = Verdict("job()", "inconclusive", "nothing", (Finding("JC902", "no effect"),), (), (), 0, 0.0)
    several = Verdict("job()", "holds", "", (), (FamilyResult("retry", "holds", 3, 3, 0),) * 2, (), 3, 0.5)
    for job in written(tmp_path, early, several)["jobs"]:
        assert_is_verdict(job)
