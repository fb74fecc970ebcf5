"""Stage 4: an outbox row says what must be mailed, and the Message-ID comes from the user, not from the delivery.

A crash can still make the job send again, but what it sends is the same message, and mail systems drop the second copy
of a message they have seen.
"""

import contextlib

import app


def send_signup_mail(user_id: int) -> None:
    message_id = f"<signup-{user_id}@shop.example>"
    with contextlib.closing(app.connect()) as db:
        db.execute(
            "INSERT INTO outbox (message_id, email) SELECT ?, email FROM users WHERE id = ? ON CONFLICT DO NOTHING",
            (message_id, user_id),
        )
        email, sent = db.execute("SELECT email, sent FROM outbox WHERE message_id = ?", (message_id,)).fetchone()
        if not sent:
            app.send_mail(email, message_id)
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE outbox SET sent = 1 WHERE message_id = ?", (message_id,))
            db.execute("UPDATE users SET sent = 1 WHERE id = ?", (user_id,))
            db.execute("COMMIT")
