"""Where the corpora's jobs find their database, folder and servers; set by the fixture that runs them."""

from __future__ import annotations

import http.client
import smtplib
import sqlite3
from contextlib import AbstractContextManager, closing
from email.message import EmailMessage
from pathlib import Path

folder = Path()
mail_port = 0
http_port = 0

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, sent INTEGER NOT NULL DEFAULT 0, points INTEGER DEFAULT 0);
CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT NOT NULL DEFAULT 'new', charge TEXT, updated_at TEXT);
CREATE TABLE payments (id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER, token TEXT);
CREATE TABLE receipts (order_id INTEGER PRIMARY KEY, token TEXT, at TEXT);
CREATE TABLE lines (payment_id INTEGER REFERENCES payments (id), text TEXT);
CREATE TABLE locks (name TEXT PRIMARY KEY);
CREATE VIRTUAL TABLE pages USING fts5 (title);
CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT, token INTEGER DEFAULT 0, expires REAL DEFAULT 0);
INSERT INTO users (id, email) VALUES (1, 'ann@example.com');
INSERT INTO orders (id) VALUES (7);
INSERT INTO pages (rowid, title) VALUES (1, 'Good morning');
INSERT INTO leases (name) VALUES ('order 7');
"""


def database() -> Path:
    return folder / "app.db"


def connect() -> AbstractContextManager[sqlite3.Connection]:
    """An autocommit connection that is closed at the end of the block."""
    return closing(sqlite3.connect(database(), isolation_level=None))


def transactional() -> AbstractContextManager[sqlite3.Connection]:
    """A connection with sqlite3's implicit transactions."""
    return closing(sqlite3.connect(database()))


def mail(to: str, message_id: str | None = None) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, "Welcome"
    if message_id:
        message["Message-ID"] = message_id
    message.set_content("Hello")
    with smtplib.SMTP("127.0.0.1", mail_port, timeout=10) as server:
        server.send_message(message)


def post(path: str, key: str | None = None, body: str = "{}") -> str:
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=10)
    try:
        connection.request("POST", path, body, {"Idempotency-Key": key} if key else {})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def get(path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
