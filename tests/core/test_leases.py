"""lease(): a job tells that it holds a lock with a time limit; outside a check nothing happens."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

import jobchaos
from jobchaos import Settings, UsageError, check
from jobchaos.core.leases import Lease

QUICK = Settings(profile="quick")


@pytest.mark.parametrize("ttl", [60, -1, 0, "a minute", None])
def test_outside_a_check_nothing_happens(ttl: Any) -> None:
    with jobchaos.lease("invoice:42", ttl) as held:
        held.renew()
    held.release()
    assert isinstance(held, Lease)


@pytest.mark.parametrize(
    ("name", "ttl", "told"),
    [
        ("invoice:42", -1, r"jobchaos.lease\('invoice:42', -1\): a lease runs for a number of seconds above 0"),
        ("invoice:42", 0, "above 0"),
        ("invoice:42", float("inf"), "A lock that never runs out is no lease"),
        ("invoice:42", float("nan"), "above 0"),
        ("invoice:42", True, "above 0"),
        ("invoice:42", None, "above 0"),
        ("invoice:42", "60", "above 0"),
        ("invoice:42", datetime.timedelta(seconds=-1), "above 0"),
        ("", 60, "a lease has a name"),
        (42, 60, "got 42"),
    ],
)
@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_in_a_check_a_mistake_ends_it(tmp_path: Path, name: Any, ttl: Any, told: str, isolation: str) -> None:
    def job() -> None:
        try:
            jobchaos.lease(name, ttl)
        except Exception:  # noqa: BLE001 - as jobs do
            (tmp_path / "out").write_text("done")

    with pytest.raises(UsageError, match=told):
        check(job, settings=Settings(profile="quick", isolation=isolation))
