"""Ways to check a job with an order, and to tell what was found."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from shop.models import Order

from jobchaos import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict


def checked(job: Callable[[int], None], *faults: str) -> Verdict:
    order = Order.objects.create(email="ann@example.com")
    return check(functools.partial(job, order.id), faults=faults, settings=Settings(profile="quick"))


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    if request.config.getoption("in_a_file"):
        from django.db import connections

        folder: Path = tmp_path_factory.mktemp("databases")
        for alias in connections:
            connections[alias].settings_dict["TEST"]["NAME"] = str(folder / f"test_{alias}.sqlite3")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--in-a-file", action="store_true", help="use databases that other processes can open, too")
