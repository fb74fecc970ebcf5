"""JSON reports of real checks are what `docs/reference/report.schema.json` says."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jobchaos.checking import check
from jobchaos.core.job import Job
from jobchaos.core.settings import Settings
from jobchaos.report.json_report import to_dict, write_json
from tests.report.builders import NODEID, finding, verdict

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/report.schema.json").read_text(encoding="utf-8"))


def adds(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE users SET points = points + 1")


def checks_then_adds(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if not db.execute("SELECT points FROM users").fetchone()[0]:
            db.execute("UPDATE users SET points = points + 1")
            time.sleep(5)
            db.execute("UPDATE users SET points = points + 1")


def sets(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE users SET points = 1")


def raises(path: Path) -> None:
    raise ValueError(path)


def does_nothing(_path: Path) -> None:
    pass


@pytest.mark.parametrize("job", [adds, checks_then_adds, sets, raises, does_nothing])
def test_a_real_report_is_as_described(job: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE users (id INTEGER PRIMARY KEY, points INT); INSERT INTO users VALUES (1, 0)")
    shown = check(Job(job, path), settings=Settings(profile="quick"))
    write_json([to_dict(shown, NODEID)], tmp_path / "out.json")
    jsonschema.validate(json.loads((tmp_path / "out.json").read_text(encoding="utf-8")), SCHEMA)


def test_a_report_with_everything_is_as_described(tmp_path: Path) -> None:
    write_json([to_dict(verdict(finding(detail="a\nb"), notes=("a note",)), NODEID)], tmp_path / "out.json")
    jsonschema.validate(json.loads((tmp_path / "out.json").read_text(encoding="utf-8")), SCHEMA)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def keys(schema: Any) -> set[str]:
    """All property names of a schema."""
    if isinstance(schema, list):
        return {name for item in schema for name in keys(item)}
    if not isinstance(schema, dict):
        return set()
    own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return own | {name for value in schema.values() for name in keys(value)}


def test_every_key_is_described() -> None:
    described = [item for item in SCHEMA["$defs"].values() if "properties" in item]
    assert all(
        field.get("description") or "$ref" in field for item in described for field in item["properties"].values()
    )
    assert {"nodeid", "findings", "schedule", "before", "outcome"} <= keys(SCHEMA)
