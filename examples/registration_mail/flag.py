"""Stage 2: a flag, but no lock. Two copies both find it unset."""

import contextlib

import app


def send_signup_mail(user_id: int) -> None:
    with contextlib.closing(app.connect()) as db:
        email, sent = db.execute("SELECT email, sent FROM users WHERE id = ?", (user_id,)).fetchone()
        if sent:
            return
        app.send_mail(email)
        db.execute("UPDATE users SET sent = 1 WHERE id = ?", (user_id,))
