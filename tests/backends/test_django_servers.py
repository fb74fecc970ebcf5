"""Jobs of a Django project whose databases are on a server, under `db`: the test's connection is the only one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

HERE = Path(__file__).parent


@pytest.mark.thorough
def test_a_project_on_postgres(tmp_path: Path, postgres_server: str) -> None:
    where = psycopg.conninfo.conninfo_to_dict(postgres_server)
    databases = {
        alias: {
            "ENGINE": "django.db.backends.postgresql",
            **{key: where.get(key.lower(), "") for key in ("HOST", "PORT", "USER", "PASSWORD")},
            "NAME": where["dbname"],
            "TEST": {"NAME": f"jobchaos_test_{os.getpid()}_django_{alias}"},
        }
        for alias in ("default", "archive")
    }
    project = tmp_path / "project"
    shutil.copytree(HERE.parent / "django_project", project, ignore=shutil.ignore_patterns("__pycache__"))
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "check_db.py"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
            "PYTHONPATH": str(HERE.parent.parent),
            "SHOP_DATABASES": json.dumps(databases),
        },
    )
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    assert re.search(r"^25 passed", result.stdout, re.MULTILINE), result.stdout
