"""A fresh database and a real SMTP server for every test."""

import contextlib
import sqlite3

import app
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink


@pytest.fixture(autouse=True)
def application(tmp_path, monkeypatch):
    database = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(app.SCHEMA)
    server = Controller(Sink(), hostname="127.0.0.1", port=0)
    server.start()
    monkeypatch.setenv("APP_DATABASE", str(database))
    monkeypatch.setenv("APP_SMTP_PORT", str(server.server.sockets[0].getsockname()[1]))
    yield
    server.stop()
