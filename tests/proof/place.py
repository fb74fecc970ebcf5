"""Where the small jobs work: a database, a folder, and a real mail server."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

folder = Path()
mail_port = 0

SCHEMA = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE log (entry TEXT);
INSERT INTO counters VALUES ('a', 1), ('b', 1), ('sent', 0);
"""


@contextlib.contextmanager
def prepared(where: Path) -> Iterator[None]:
    """Make the database and the folder, and run the server."""
    global folder, mail_port
    folder = where / "test-work"
    folder.mkdir()
    (folder / "total.txt").write_text("1")
    with contextlib.closing(sqlite3.connect(database())) as db:
        db.executescript(SCHEMA)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        mail_port = probe.getsockname()[1]
    server = Controller(Sink(), hostname="127.0.0.1", port=mail_port, server_hostname="localhost")
    server.start()
    try:
        yield
    finally:
        server.stop()


def database() -> Path:
    """The database's file."""
    return folder.parent / "test-small.db"
