"""Payments, with a provider that listens on this machine."""

import json
from urllib.error import URLError

import pytest
from shop import payments
from shop.tasks import capture_payment, refund

pytestmark = pytest.mark.django_db


def test_the_provider_answers(provider):
    assert payments.post("/charges", order=1) == {"count": 1}


def test_a_provider_that_is_down_is_an_error(settings):
    settings.PAYMENTS_URL = "http://127.0.0.1:9"
    with pytest.raises(URLError):
        payments.post("/charges", order=1)


def test_capturing_charges(order, provider):
    capture_payment.delay(order.pk)
    assert provider == ["/charges"]


def test_capturing_marks_the_order(order, provider):
    capture_payment.delay(order.pk)
    order.refresh_from_db()
    assert order.status == "paid"


@pytest.mark.parametrize("status", ["paid", "shipped", "refunded"])
def test_only_new_orders_are_charged(order, provider, status):
    order.status = status
    order.save()
    capture_payment.delay(order.pk)
    assert provider == []


def test_refunding_tells_the_provider(order, provider):
    refund.delay(order.pk)
    assert provider == ["/refunds"]


def test_refunding_marks_the_order(order, provider):
    refund(order.pk)
    order.refresh_from_db()
    assert order.status == "refunded"


def test_payloads_are_json():
    assert json.loads(json.dumps({"order": 1})) == {"order": 1}
