"""The application around the job: where its database and its mail server are."""

import os
import smtplib
import sqlite3
from email.message import EmailMessage

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
CREATE TABLE outbox (message_id TEXT PRIMARY KEY, email TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
INSERT INTO users (id, email) VALUES (1, 'ann@example.com');
"""


def connect() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["APP_DATABASE"], isolation_level=None)


def send_mail(email: str, message_id: str | None = None) -> None:
    message = EmailMessage()
    message["From"] = "hello@shop.example"
    message["To"] = email
    message["Subject"] = "Welcome"
    if message_id is not None:
        message["Message-ID"] = message_id
    message.set_content("Good to have you here.")
    with smtplib.SMTP("127.0.0.1", int(os.environ["APP_SMTP_PORT"]), timeout=10) as server:
        server.send_message(message)
