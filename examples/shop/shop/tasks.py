"""The shop's background jobs. Three of them do not survive at-least-once delivery; the others only look like it."""

from celery import shared_task
from django.core.mail import EmailMessage, send_mail
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from shop import crm, payments
from shop.models import Customer, Invoice, Letter, Line, Movement, Order, Product, ReportRow, Shipment

SAFE = {"acks_late": True, "reject_on_worker_lost": True}


@shared_task
def send_receipt(order_id):
    """Broken: nothing tells that the receipt is on its way already."""
    order = Order.objects.select_related("customer").get(pk=order_id)
    send_mail("Your receipt", f"You have paid {order.total}.", None, [order.customer.email])


@shared_task
def award_points(order_id):
    """Broken: a second delivery adds the points again."""
    order = Order.objects.get(pk=order_id)
    Customer.objects.filter(pk=order.customer_id).update(points=F("points") + order.total // 10)


@shared_task(**SAFE)
def capture_payment(order_id):
    """Broken: there is a guard, but a worker that dies after the request and before the UPDATE has charged in vain."""
    order = Order.objects.get(pk=order_id)
    if order.status != "new":
        return
    payments.post("/charges", order=order.pk, amount=order.total)
    order.status = "paid"
    order.save()


@shared_task(**SAFE)
def issue_invoice(order_id):
    """Sound: the order is unique among invoices."""
    order = Order.objects.get(pk=order_id)
    Invoice.objects.get_or_create(order=order, defaults={"amount": order.total})


@shared_task(**SAFE)
def ship(order_id, address):
    """Sound: the state changes, and the parcel is made, in one transaction and only once."""
    with transaction.atomic():
        if Order.objects.filter(pk=order_id, status="paid").update(status="shipped", changed=timezone.now()):
            Shipment.objects.create(order_id=order_id, address=address)


@shared_task(**SAFE)
def reserve_stock(order_id):
    """Sound: each movement is recorded in the transaction that lowers the stock."""
    for line in Line.objects.filter(order_id=order_id):
        with transaction.atomic():
            _, is_new = Movement.objects.get_or_create(
                order_id=order_id, product_id=line.product_id, defaults={"quantity": line.quantity}
            )
            if is_new:
                Product.objects.filter(pk=line.product_id).update(stock=F("stock") - line.quantity)


@shared_task(**SAFE)
def refund(order_id):
    """Sound: the provider knows the key, and refunds once."""
    order = Order.objects.get(pk=order_id)
    payments.post("/refunds", key=f"refund-{order.pk}", order=order.pk)
    order.status = "refunded"
    order.save()


@shared_task(**SAFE)
def send_letter(letter_id):
    """Sound: whoever gets the mail twice sees from its Message-ID that it is the same one."""
    letter = Letter.objects.get(pk=letter_id)
    if letter.sent:
        return
    headers = {"Message-ID": f"<letter-{letter.pk}@shop.example>"}
    EmailMessage(letter.subject, "", None, [letter.to], headers=headers).send()
    letter.sent = True
    letter.save()


@shared_task(**SAFE)
def rebuild_report():
    """Sound: all rows are replaced by new ones with the same content, in one transaction."""
    with transaction.atomic():
        ReportRow.objects.all().delete()
        for row in Line.objects.values("product").annotate(sold=Sum("quantity")).order_by("product"):
            ReportRow.objects.create(product_id=row["product"], sold=row["sold"])


@shared_task(**SAFE)
def greet(customer_id):
    """Sound: the time of the last visit may well be a later one."""
    Customer.objects.filter(pk=customer_id).update(last_seen=timezone.now())


@shared_task(**SAFE)
def tell_crm(customer_id):
    """Sound: the other system replaces what it knows of a customer. Its test counts the calls, though."""
    crm.push(Customer.objects.get(pk=customer_id).email)


@shared_task(**SAFE)
def complete(order_id, address):
    """Sound: only starts what does the work."""
    issue_invoice.delay(order_id)
    ship.delay(order_id, address)
