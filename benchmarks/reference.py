"""The reference job: ten effects on SQLite, so guarded that every schedule passes."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

database = Path("test-reference.db")

SCHEMA = """
CREATE TABLE idem (key TEXT PRIMARY KEY, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT NOT NULL);
CREATE TABLE http (key TEXT PRIMARY KEY, cents INTEGER NOT NULL);
CREATE TABLE ledger (order_id INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
CREATE TABLE stock (item TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE mails (order_id INTEGER PRIMARY KEY, text TEXT);
"""


def prepare(folder: Path) -> None:
    """Create the database anew, six tables with ten rows each."""
    global database
    database = folder / "test-reference.db"
    database.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(SCHEMA)
        for number in range(10):
            db.execute("INSERT INTO idem VALUES (?, 1)", (f"key-{number}",))
            db.execute("INSERT INTO orders VALUES (?, 'new')", (number,))
            db.execute("INSERT INTO http VALUES (?, 100)", (f"key-{number}",))
            db.execute("INSERT INTO ledger VALUES (?, 100)", (-1 - number,))
            db.execute("INSERT INTO stock VALUES (?, 5)", (f"item-{number}",))
            db.execute("INSERT INTO mails VALUES (?, 'old')", (-1 - number,))
        db.commit()


def job() -> None:
    """R idem, R order, W order, W idem, W http, W ledger, R stock, W stock, W mail, W order; autocommit."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("SELECT done FROM idem WHERE key = 'order-1'").fetchone()
        db.execute("SELECT status FROM orders WHERE id = 1").fetchone()
        db.execute("UPDATE orders SET status = 'paid' WHERE id = 1")
        db.execute("INSERT OR IGNORE INTO idem (key) VALUES ('order-1')")
        db.execute("INSERT OR IGNORE INTO http VALUES ('order-1', 4200)")
        db.execute("INSERT OR IGNORE INTO ledger VALUES (1, 4200)")
        db.execute("SELECT count FROM stock WHERE item = 'item-1'").fetchone()
        db.execute("UPDATE stock SET count = 4 WHERE item = 'item-1'")
        db.execute("INSERT OR IGNORE INTO mails VALUES (1, 'thank you')")
        db.execute("UPDATE orders SET status = 'paid' WHERE id = 1")
