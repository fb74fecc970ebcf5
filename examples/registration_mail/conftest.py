"""A fresh database and a real SMTP server for every test."""

import contextlib
import socket
import sqlite3

import app
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(autouse=True)
def application(tmp_path, monkeypatch):
    database = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(app.SCHEMA)
    port = free_port()
    # Without a name, each connection asks the resolver for one: a worker that is forked meanwhile inherits its lock.
    server = Controller(Sink(), hostname="127.0.0.1", port=port, server_hostname="localhost")
    server.start()
    monkeypatch.setenv("APP_DATABASE", str(database))
    monkeypatch.setenv("APP_SMTP_PORT", str(port))
    yield
    server.stop()
