"""Mails, and what others are told."""

from unittest import mock

import pytest
from shop.models import Letter
from shop.tasks import greet, send_letter, send_receipt, tell_crm


def test_a_receipt_goes_to_the_customer(order, mailoutbox):
    send_receipt.delay(order.pk)
    assert [mail.to for mail in mailoutbox] == [["ann@example.com"]]


def test_a_receipt_names_the_sum(order, mailoutbox):
    send_receipt(order.pk)
    assert "200" in mailoutbox[0].body


def test_a_receipt_has_a_subject(order, mailoutbox):
    send_receipt.apply(args=[order.pk])
    assert mailoutbox[0].subject == "Your receipt"


@pytest.fixture
def letter(db):
    return Letter.objects.create(to="bob@example.com", subject="News")


def test_a_letter_is_sent(letter, mailoutbox):
    send_letter.delay(letter.pk)
    assert mailoutbox[0].subject == "News"


def test_a_letter_is_marked(letter):
    send_letter.delay(letter.pk)
    letter.refresh_from_db()
    assert letter.sent


def test_a_letter_is_not_sent_again(letter, mailoutbox):
    letter.sent = True
    letter.save()
    send_letter.delay(letter.pk)
    assert mailoutbox == []


def test_visits_are_remembered(customer):
    greet.delay(customer.pk)
    customer.refresh_from_db()
    assert customer.last_seen is not None


def test_the_crm_is_told(customer):
    with mock.patch("shop.crm.push") as push:
        tell_crm.delay(customer.pk)
    push.assert_called_once_with("ann@example.com")


def test_receipts_are_asked_for(order):
    with mock.patch("shop.tasks.send_receipt.delay") as delay:
        send_receipt.delay(order.pk)
    delay.assert_called_once_with(order.pk)
