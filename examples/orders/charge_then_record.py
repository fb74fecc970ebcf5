"""Broken: charge, then record. Whatever happens in between is charged again."""

import contextlib

import shop


def pay(order_id: int) -> None:
    with contextlib.closing(shop.connect()) as db:
        cents, charge = db.execute("SELECT cents, charge FROM orders WHERE id = ?", (order_id,)).fetchone()
        if charge is None:
            charge = shop.charge(cents)
            db.execute("UPDATE orders SET charge = ? WHERE id = ?", (charge, order_id))
