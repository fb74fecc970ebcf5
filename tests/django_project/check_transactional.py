"""Under `transactional_db`: workers have connections of their own."""
from __future__ import annotations

import pytest
from shop import jobs
from shop.models import Order

pytestmark = pytest.mark.django_db(databases=["default", "archive"], transaction=True)


@pytest.fixture
def order(transactional_db):
    return Order.objects.create(email="ann@example.com").id


@pytest.mark.parametrize("job", [getattr(jobs, name) for name in dir(jobs) if hasattr(getattr(jobs, name), "__wrapped__") or (callable(getattr(jobs, name)) and getattr(getattr(jobs, name), "__module__", "") == "shop.jobs")], ids=lambda job: job.__name__)
def check_job(job, order):
    from jobchaos.checking import check
    from jobchaos.core.settings import Settings
    import functools
    verdict = check(functools.partial(job,order), settings=Settings(profile="quick"))
    from jobchaos.report.text import render
    print(render(verdict, replay=str))
    print([(f.code, str(f.schedule)) for f in verdict.findings])
    assert verdict.status != "inconclusive"
