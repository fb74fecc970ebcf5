"""Stage 3: check, send and set the flag under a lock, as tutorials recommend.

Copies cannot race any more. But mail cannot be rolled back: a worker that dies between the server's 250 and COMMIT
leaves a mail that nobody remembers.
"""

import contextlib

import app


def send_signup_mail(user_id: int) -> None:
    with contextlib.closing(app.connect()) as db:
        db.execute("BEGIN IMMEDIATE")
        email, sent = db.execute("SELECT email, sent FROM users WHERE id = ?", (user_id,)).fetchone()
        if not sent:
            app.send_mail(email)
            db.execute("UPDATE users SET sent = 1 WHERE id = ?", (user_id,))
        db.execute("COMMIT")
