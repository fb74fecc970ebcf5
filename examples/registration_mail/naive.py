"""Stage 1: no guard at all. Every delivery mails."""

import contextlib

import app


def send_signup_mail(user_id: int) -> None:
    with contextlib.closing(app.connect()) as db:
        (email,) = db.execute("SELECT email FROM users WHERE id = ?", (user_id,)).fetchone()
    app.send_mail(email)
