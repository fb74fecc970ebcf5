"""Jobs as people write them: each broken one beside its sound twin."""

from __future__ import annotations

import celery
from django.core.cache import cache
from django.core.mail import EmailMessage, send_mail
from django.db import IntegrityError, transaction

from shop.models import Order, Payment, Receipt

app = celery.Celery("shop", broker="amqp://broker.example.com//")


def adds_a_payment(order_id: int) -> None:
    Payment.objects.create(order_id=order_id, cents=100)


def records_a_receipt(order_id: int) -> None:
    Receipt.objects.get_or_create(number=f"order-{order_id}")


async def adds_a_payment_asynchronously(order_id: int) -> None:
    await Payment.objects.acreate(order_id=order_id, cents=100)


async def records_a_receipt_asynchronously(order_id: int) -> None:
    await Receipt.objects.aget_or_create(number=f"order-{order_id}")


def marks_paid_then_adds_a_payment(order_id: int) -> None:
    order = Order.objects.get(id=order_id)
    if not order.paid:
        order.paid = 1
        order.save()
        Payment.objects.create(order=order, cents=100)


def marks_paid_and_adds_a_payment_at_once(order_id: int) -> None:
    with transaction.atomic():
        if Order.objects.filter(id=order_id, paid=0).update(paid=1):
            Payment.objects.create(order_id=order_id, cents=100)


def replaces_payments(order_id: int) -> None:
    """Deletes and makes anew, each in a transaction of its own that Django begins."""
    Payment.objects.filter(order_id=order_id).delete()
    Payment.objects.bulk_create([Payment(order_id=order_id, cents=cents) for cents in (1, 2)])


def inserts_and_is_refused_the_second_time(order_id: int) -> None:
    try:
        with transaction.atomic():
            Receipt.objects.create(number=f"order-{order_id}")
    except IntegrityError:
        return


def mails_in_the_transaction(order_id: int) -> None:
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=order_id)
        if order.status == "new":
            send_mail("Thank you", "It is on its way", "shop@example.com", [order.email])
            order.status = "mailed"
            order.save()


def mails_on_commit(order_id: int) -> None:
    with transaction.atomic():
        if Order.objects.filter(id=order_id, status="new").update(status="mailed"):
            transaction.on_commit(lambda: send_mail("Thank you", "", "shop@example.com", ["ann@example.com"]))


@app.task(name="shop.thanks")
def thanks(order_id: int) -> None: ...


def enqueues_on_commit(order_id: int) -> None:
    with transaction.atomic():
        if Order.objects.filter(id=order_id, status="new").update(status="thanked"):
            transaction.on_commit(lambda: thanks.delay(order_id))


def marks_on_commit(order_id: int) -> None:
    """The callback may be lost, and is repeated until it has come through."""
    with transaction.atomic():
        Order.objects.filter(id=order_id).update(paid=1)
        transaction.on_commit(lambda: Order.objects.filter(id=order_id).update(status="done"))


def counts_in_the_cache(order_id: int) -> None:
    cache.set("orders", cache.get("orders", 0) + 1)


def remembers_in_the_cache(order_id: int) -> None:
    cache.set(f"order-{order_id}", "seen")


def copies_to_the_archive(order_id: int) -> None:
    order = Order.objects.get(id=order_id)
    Order.objects.using("archive").create(email=order.email, status="archived")


def copies_to_the_archive_under_its_own_key(order_id: int) -> None:
    order = Order.objects.get(id=order_id)
    Order.objects.using("archive").update_or_create(id=order.id, defaults={"email": order.email})


def mails(order_id: int) -> None:
    send_mail("Thank you", "It is on its way", "shop@example.com", [Order.objects.get(id=order_id).email])


def mails_with_an_identity(order_id: int) -> None:
    headers = {"Message-ID": f"<order-{order_id}@shop.example>"}
    EmailMessage("Thank you", "", "shop@example.com", ["ann@example.com"], headers=headers).send()
