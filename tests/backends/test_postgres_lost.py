"""A server that goes away in the middle of a check makes it inconclusive, and what may be lost is said."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest

from jobchaos.checking import check
from jobchaos.core.events import Event, PlanReady
from jobchaos.core.settings import Settings
from jobchaos.servers import postgres


def test_a_lost_server_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_POSTGRES", raising=False)
    with postgres() as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE users (id int PRIMARY KEY)")
        pid_file = Path(dsn.rpartition("host=")[2]) / "data" / "postmaster.pid"

        def job() -> None:
            with psycopg.connect(dsn) as connection:
                connection.execute("INSERT INTO users VALUES (1) ON CONFLICT DO NOTHING")

        def stop(event: Event) -> None:
            if isinstance(event, PlanReady) and pid_file.exists():
                os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
                while pid_file.exists():
                    pass

        settings = Settings(profile="quick", isolation="thread")
        verdict = check(job, faults=["duplicate"], settings=settings, listener=stop)
    assert verdict.status == "inconclusive", verdict
    (finding,) = verdict.findings
    assert finding.code == "JC913"
    assert "was lost in the middle of the check" in finding.message
    assert "the rows before it are in the schema jobchaos_" in finding.message
