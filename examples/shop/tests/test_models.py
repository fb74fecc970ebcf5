"""Models: nothing here has to do with tasks."""

import pytest
from django.db import IntegrityError, transaction
from shop.models import Customer, Invoice, Line, Movement, Order, Product


def test_a_new_order_is_new(order):
    assert order.status == "new"


def test_the_total_is_the_sum_of_all_lines(order):
    assert order.total == 200


def test_an_order_without_lines_costs_nothing(customer):
    assert Order.objects.create(customer=customer).total == 0


@pytest.mark.parametrize("quantity", [1, 2, 5, 10])
def test_quantities_count(order, quantity):
    pen = Product.objects.create(name="pen", price=3)
    Line.objects.create(order=order, product=pen, quantity=quantity)
    assert order.total == 200 + 3 * quantity


@pytest.mark.parametrize("email", ["bob@example.com", "eve@example.org"])
def test_customers_start_without_points(db, email):
    assert Customer.objects.create(email=email).points == 0


def test_addresses_are_unique(customer):
    with pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.create(email=customer.email)


def test_one_invoice_an_order(order):
    Invoice.objects.create(order=order, amount=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Invoice.objects.create(order=order, amount=2)


def test_one_movement_a_product_of_an_order(order):
    mug = Product.objects.get(name="mug")
    Movement.objects.create(order=order, product=mug, quantity=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Movement.objects.create(order=order, product=mug, quantity=1)


def test_deleting_a_customer_deletes_the_orders(order):
    order.customer.delete()
    assert not Order.objects.exists()


def test_orders_know_when_they_were_made(order):
    assert order.created <= order.changed
