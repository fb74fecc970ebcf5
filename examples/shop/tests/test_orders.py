"""From the order to the parcel."""

import pytest
from django.test import TestCase
from shop.models import Customer, Invoice, Line, Movement, Order, Product, ReportRow, Shipment
from shop.tasks import award_points, complete, issue_invoice, rebuild_report, reserve_stock, ship


def test_an_invoice_has_the_total(order):
    issue_invoice.delay(order.pk)
    assert Invoice.objects.get().amount == 200


def test_an_invoice_is_not_issued_again(order):
    Invoice.objects.create(order=order, amount=150)
    issue_invoice.delay(order.pk)
    assert Invoice.objects.get().amount == 150


def test_paid_orders_are_shipped(order):
    Order.objects.update(status="paid")
    ship.delay(order.pk, "1 High Street")
    assert Shipment.objects.get().address == "1 High Street"
    assert Order.objects.get().status == "shipped"


@pytest.mark.parametrize("status", ["new", "shipped", "refunded"])
def test_other_orders_are_not(order, status):
    Order.objects.update(status=status)
    ship.delay(order.pk, "1 High Street")
    assert not Shipment.objects.exists()


def test_stock_is_lowered(order):
    reserve_stock.delay(order.pk)
    assert Product.objects.get(name="mug").stock == 8
    assert Product.objects.get(name="lamp").stock == 2


def test_movements_are_recorded(order):
    reserve_stock(order.pk)
    assert Movement.objects.count() == 2


def test_stock_is_not_lowered_for_an_empty_order(customer):
    reserve_stock.delay(Order.objects.create(customer=customer).pk)
    assert not Movement.objects.exists()


def test_completing_invoices_and_ships(order):
    Order.objects.update(status="paid")
    complete.delay(order.pk, "1 High Street")
    assert Invoice.objects.exists()
    assert Shipment.objects.exists()


def test_completing_a_new_order_only_invoices(order):
    complete.delay(order.pk, "1 High Street")
    assert Invoice.objects.exists()
    assert not Shipment.objects.exists()


class Points(TestCase):
    """As many projects still write them."""

    @classmethod
    def setUpTestData(cls):
        cls.customer = Customer.objects.create(email="ann@example.com")
        cls.order = Order.objects.create(customer=cls.customer)
        cls.lamp = Product.objects.create(name="lamp", price=100)
        Line.objects.create(order=cls.order, product=cls.lamp)

    def test_points_are_awarded(self):
        award_points.delay(self.order.pk)
        self.customer.refresh_from_db()
        assert self.customer.points == 10

    def test_points_grow(self):
        Customer.objects.update(points=5)
        award_points.delay(self.order.pk)
        self.customer.refresh_from_db()
        assert self.customer.points == 15

    def test_an_order_without_lines_gives_none(self):
        self.order.lines.all().delete()
        award_points.delay(self.order.pk)
        self.customer.refresh_from_db()
        assert self.customer.points == 0


class Report(TestCase):
    """Rows that are made anew each time."""

    def setUp(self):
        order = Order.objects.create(customer=Customer.objects.create(email="ann@example.com"))
        self.lamp = Product.objects.create(name="lamp", price=100)
        Line.objects.create(order=order, product=self.lamp, quantity=4)

    def test_it_counts(self):
        rebuild_report.delay()
        assert ReportRow.objects.get().sold == 4

    def test_it_replaces_what_was_there(self):
        ReportRow.objects.create(product=self.lamp, sold=99)
        rebuild_report.delay()
        assert list(ReportRow.objects.values_list("sold", flat=True)) == [4]
