"""Under `db`: all happens in the transaction of the test, and copies cannot overlap."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import checked, found
from django.core import mail
from django.db import connection, transaction
from expected import IN_SEQUENCE
from shop import jobs
from shop.models import Order, Payment

from jobchaos import InconclusiveError, UsageError

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


@pytest.mark.parametrize("job", IN_SEQUENCE, ids=lambda job: job.__name__)
def check_deliveries_crashes_and_failures(job: Callable[[int], None]) -> None:
    verdict = checked(job, "duplicate", "crash", "retry")
    assert found(verdict) == IN_SEQUENCE[job]
    assert verdict.status == ("fails" if IN_SEQUENCE[job] else "holds")


@pytest.mark.parametrize("fixture", ["run_concurrently", "jobchaos"])
def check_that_overlaps_are_inconclusive(fixture: str, request: pytest.FixtureRequest) -> None:
    order = Order.objects.create(email="ann@example.com")
    checker = request.getfixturevalue(fixture)
    with pytest.raises(
        InconclusiveError, match=r"(?s)JC921.*cannot overlap on default.*Use\s+transactional_db"
    ) as told:
        checker(jobs.records_a_receipt, order.id)
    assert "JC907" not in str(told.value)  # no budget helps


def check_that_an_overlap_cannot_be_replayed() -> None:
    from jobchaos import check

    with pytest.raises(UsageError, match="Use transactional_db"):
        check(lambda: jobs.adds_a_payment(1), schedule="A1 B A")


def check_that_the_test_finds_the_state_of_one_clean_run() -> None:
    checked(jobs.mails, "duplicate")
    checked(jobs.adds_a_payment, "crash")
    assert Payment.objects.count() == len(mail.outbox) == 1
    assert connection.execute_wrappers == []
    assert "on_commit" not in vars(connection)


def check_that_an_error_of_the_job_leaves_what_the_test_has_made() -> None:
    def job(_order_id: int) -> None:
        Payment.objects.all().delete()
        raise RuntimeError

    before = Order.objects.count()
    assert found(checked(job, "duplicate")) == {"JC903": "None"}
    assert Order.objects.count() == before + 1


def check_that_callbacks_come_after_the_outermost_commit() -> None:
    seen: list[str] = []

    def job(order_id: int) -> None:
        transaction.on_commit(lambda: seen.append("at once"))
        with transaction.atomic():
            with transaction.atomic():
                transaction.on_commit(lambda: seen.append("after all"))
                transaction.on_commit(lambda: 1 / 0, robust=True)
            seen.append("inner block is over")
        seen.append("outer block is over")
        Order.objects.filter(id=order_id).update(paid=1)

    checked(job, "duplicate")
    assert seen[:4] == ["at once", "inner block is over", "after all", "outer block is over"]


def check_that_a_rolled_back_block_has_no_callbacks() -> None:
    seen: list[str] = []

    def job(order_id: int) -> None:
        try:
            with transaction.atomic():
                transaction.on_commit(lambda: seen.append("never"))
                raise ValueError
        except ValueError:
            Order.objects.filter(id=order_id).update(paid=1)

    assert checked(job, "duplicate").status == "holds"
    assert seen == []
