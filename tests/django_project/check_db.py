"""Under `db`, all in the transaction of the test."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import connection
from shop import jobs
from shop.models import Order, Payment

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


@pytest.fixture
def order(db):
    return Order.objects.create(email="ann@example.com").id


@pytest.mark.parametrize("job", [getattr(jobs, name) for name in dir(jobs) if hasattr(getattr(jobs, name), "__wrapped__") or (callable(getattr(jobs, name)) and getattr(getattr(jobs, name), "__module__", "") == "shop.jobs")], ids=lambda job: job.__name__)
def check_job(job, order, run_twice, run_crashing, run_with_retries):
    from jobchaos.checking import check
    verdict = check(lambda: job(order), faults=["duplicate", "crash", "retry"])
    from jobchaos.report.text import render
    print(render(verdict, replay=str))
    print([(f.code, str(f.schedule)) for f in verdict.findings])
    assert verdict.status != "inconclusive"
