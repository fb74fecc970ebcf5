"""The application around the jobs: its database, and the payment service it calls."""

import http.client
import json
import os
import sqlite3

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL, charge TEXT);
INSERT INTO orders (id, cents) VALUES (7, 4200);
"""


def connect() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["SHOP_DATABASE"], isolation_level=None)


def charge(cents: int, key: str | None = None) -> str:
    """Charge a card; return the charge's id. The service charges once for each idempotency key."""
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = key
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["SHOP_PAYMENT_PORT"]), timeout=10)
    try:
        connection.request("POST", "/charges", body=json.dumps({"cents": cents}), headers=headers)
        answer = connection.getresponse()
        return str(json.loads(answer.read())["id"])
    finally:
        connection.close()
