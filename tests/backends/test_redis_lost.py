"""A Redis server that goes away in the middle of a check: what its keys held is not lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from jobchaos import servers
from jobchaos.core.verdict import Verdict
from tests.backends.interrupted import interrupted


@pytest.fixture(autouse=True)
def servers_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_REDIS", raising=False)


def stopped(url: str) -> None:
    """End the server as a crash would."""
    with redis.Redis.from_url(url) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1].partition("/")[0]))).close()


def checked(url: str, when_planned: Callable[[], None]) -> Verdict:
    def job() -> None:
        with redis.Redis.from_url(url) as client:
            client.set("sold", "yes")
            client.delete("session")
            client.hset("order", mapping={"status": "sold"})
            client.set("new", 1)

    return interrupted(job, when_planned)


def fill(client: redis.Redis) -> None:
    client.set("sold", b'no\r\n"\\\x00\xff')
    client.set("session", "ann", px=100_000)
    client.hset("order", mapping={"status": "new", "cents": 4200})


def test_what_keys_held_is_in_a_file_that_puts_it_back() -> None:
    with servers.redis() as url:
        with redis.Redis.from_url(url) as client:
            fill(client)
        verdict = checked(url, lambda: stopped(url))
    (finding,) = verdict.findings
    assert (verdict.status, finding.code) == ("inconclusive", "JC913")
    assert "database 0 was lost in the middle of the check" in finding.message
    path = Path(finding.message.partition("redis-cli -n 0 < ")[2].partition(" puts")[0])
    with servers.redis() as url, redis.Redis.from_url(url, decode_responses=False) as client:
        client.set("new", "what the job has left")
        port = client.connection_pool.connection_kwargs["port"]
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(path.read_bytes())
            connection.shutdown(socket.SHUT_WR)
            answers = b"".join(iter(lambda: connection.recv(4096), b""))
        assert sorted(answers.split()) == [b"+OK"] * 3 + [b":1"]
        assert sorted(client.keys()) == [b"order", b"session", b"sold"]
        assert client.get("sold") == b'no\r\n"\\\x00\xff'
        assert client.hgetall("order") == {b"status": b"new", b"cents": b"4200"}
        assert 0 < client.pttl("session") <= 100_000
    path.unlink()


def test_a_server_that_has_forgotten_everything_gets_its_keys_back() -> None:
    """As one that keeps nothing on disk, and was started anew."""
    with servers.redis() as url, redis.Redis.from_url(url) as client:
        fill(client)

        def forget() -> None:
            client.flushall()
            client.client_kill_filter(_type="normal", skipme=False)

        verdict = checked(url, forget)
        assert verdict.status == "holds", verdict
        assert client.hgetall("order") == {b"status": b"sold", b"cents": b"4200"}, "as one clean run leaves it"
        assert client.get("sold") == b"yes"
