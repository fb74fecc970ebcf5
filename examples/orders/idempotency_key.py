"""Sound: the key comes from the order, so the service recognises every repetition and answers with the first charge."""

import contextlib

import shop


def pay(order_id: int) -> None:
    with contextlib.closing(shop.connect()) as db:
        cents, charge = db.execute("SELECT cents, charge FROM orders WHERE id = ?", (order_id,)).fetchone()
        if charge is None:
            charge = shop.charge(cents, key=f"order-{order_id}")
            db.execute("UPDATE orders SET charge = ? WHERE id = ?", (charge, order_id))
