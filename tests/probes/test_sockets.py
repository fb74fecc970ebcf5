"""A silent server, simulated, is to every library what a real one is: the same error, at the end of its timeout."""

from __future__ import annotations

import contextlib
import http.client
import re
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import urllib3

from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.probes.sockets import SocketProbe
from tests.probes.conftest import Watch
from tests.probes.servers import Mailbox, WebServer, mail_server, web_server

SECOND = 10**9
TIMEOUT = 0.05


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/charges"


def posts(port: int, timeout: float | None) -> None:
    requests.post(url(port), data="{}", timeout=timeout)


def posts_by_urllib3(port: int, timeout: float | None) -> None:
    with urllib3.PoolManager() as pool:
        pool.request("POST", url(port), body="{}", timeout=timeout, retries=False)


def opens(port: int, timeout: float | None) -> None:
    urllib.request.urlopen(url(port), b"{}", timeout=timeout).read()


def posts_by_hand(port: int, timeout: float | None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("POST", "/charges", "{}")
        connection.getresponse().read()


def mails(port: int, timeout: float | None) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=timeout) as server:  # type: ignore[arg-type]  # the stubs want a float
        server.sendmail("shop@example.com", ["ann@example.com"], "Subject: Welcome\r\n\r\nHello")


def talks(port: int, timeout: float | None) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(b"GET /charges HTTP/1.0\r\n\r\n")
        connection.recv(100)


Client = Callable[[int, float | None], None]


def watched(watch: Watch, job: Callable[[], None], token: str) -> RunResult:
    return watch(job, token, HTTPProbe(), SMTPProbe(), SocketProbe())


def raised(run: RunResult) -> list[tuple[float, str]]:
    """What attempts have raised, and at which virtual second."""
    return [(event.at / SECOND, event.detail) for event in run.trace.events if event.happening is Happening.RAISED]


def really(client: Client, port: int) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
        client(port, TIMEOUT)
    return without_numbers(f"{type(caught.value).__name__}: {caught.value}")


def without_numbers(text: str) -> str:
    return re.sub(r"port=\d+|0x[0-9a-f]+|_ssl.c:\d+: ", "", text)


@pytest.mark.parametrize("client", [posts, posts_by_urllib3, opens, posts_by_hand, talks])
def test_a_simulated_silence_raises_what_a_real_one_raises(
    watch: Watch, web: WebServer, silent: int, client: Client
) -> None:
    run = watched(watch, lambda: client(web.server_port, TIMEOUT), "A0!hang2")
    assert [(at, without_numbers(text)) for at, text in raised(run)] == [(TIMEOUT, really(client, silent))]
    assert run.completed
    assert len(web.received) == 1  # nothing was sent by the first attempt


@pytest.mark.parametrize("client", [posts, posts_by_urllib3, opens, posts_by_hand, talks])
def test_so_does_a_simulated_connection_that_is_never_made(
    watch: Watch, web: WebServer, full: int, client: Client
) -> None:
    run = watched(watch, lambda: client(web.server_port, TIMEOUT), "A0!hang")
    assert [(at, without_numbers(text)) for at, text in raised(run)] == [(TIMEOUT, really(client, full))]
    assert run.completed


@pytest.mark.parametrize(("token", "is_connected"), [("A0!hang", False), ("A0!hang2", True)])
def test_smtplib_makes_of_it_what_it_does(
    watch: Watch, mail: Mailbox, silent: int, full: int, token: str, is_connected: bool
) -> None:
    run = watched(watch, lambda: mails(mail.port, TIMEOUT), token)
    assert raised(run) == [(TIMEOUT, really(mails, silent if is_connected else full))]
    assert run.completed


def test_a_mail_whose_acknowledgement_is_late_has_been_sent(watch: Watch, mail: Mailbox) -> None:
    run = watched(watch, lambda: mails(mail.port, 10), "A0!late7")  # connecting, and 220, 250, 250, 250, 354 before
    assert raised(run) == [(10, "SMTPServerDisconnected: Connection unexpectedly closed: timed out")]
    assert len(mail.received) == 2
    assert len(watch.recorder.records) == 2


def test_a_mail_that_the_server_was_not_ready_for_in_time_has_not(watch: Watch, mail: Mailbox) -> None:
    run = watched(watch, lambda: mails(mail.port, 10), "A0!late6")  # 354
    assert [at for at, _ in raised(run)] == [10]
    assert len(mail.received) == len(watch.recorder.records) == 1


def test_a_mail_that_is_never_acknowledged_has_not(watch: Watch, mail: Mailbox) -> None:
    run = watched(watch, lambda: mails(mail.port, 10), "A0!hang6")
    assert raised(run) == [(10, "SMTPServerDisconnected: Connection unexpectedly closed: timed out")]
    assert len(mail.received) == len(watch.recorder.records) == 1


def test_a_request_whose_answer_is_late_has_been_applied(watch: Watch, web: WebServer) -> None:
    run = watched(watch, lambda: posts(web.server_port, 10), "A0!late2")
    assert [at for at, _ in raised(run)] == [10]
    assert web.received == ["POST /charges {}"] * 2
    assert len(watch.recorder.records) == 2


def test_the_timeout_in_force_is_the_sockets(watch: Watch, web: WebServer) -> None:
    def connects_and_reads() -> None:
        requests.post(url(web.server_port), timeout=(3, 7))

    assert [at for at, _ in raised(watched(watch, connects_and_reads, "A0!hang"))] == [3]
    assert [at for at, _ in raised(watched(watch, connects_and_reads, "A0!hang2"))] == [7]


def test_a_default_timeout_counts(watch: Watch, web: WebServer) -> None:
    socket.setdefaulttimeout(4)
    try:
        run = watched(watch, lambda: opens(web.server_port, socket.getdefaulttimeout()), "A0!hang2")
    finally:
        socket.setdefaulttimeout(None)
    assert [at for at, _ in raised(run)] == [4]


@pytest.mark.parametrize(
    ("client", "advice"),
    [
        (posts, "requests.post(..., timeout=...)"),
        (posts_by_urllib3, "timeout= in the request, or urllib3.PoolManager(timeout=...)"),
        (opens, "urllib.request.urlopen(..., timeout=...)"),
        (posts_by_hand, "http.client.HTTPConnection(..., timeout=...)"),
        (talks, "sock.settimeout(...)"),
    ],
)
def test_without_a_timeout_it_is_told_what_to_set_and_where(
    watch: Watch, web: WebServer, client: Client, advice: str
) -> None:
    run = watched(watch, lambda: client(web.server_port, None), "A0!hang2")
    copy = run.copies["A"]
    assert copy.error == "waits for ever for host:127.0.0.1"
    assert not copy.completed
    assert copy.hung is not None
    assert copy.hung.timeout is None
    assert copy.hung.advice == advice
    assert copy.hung.site is not None
    assert copy.hung.site.function == client.__name__


def test_a_silent_server_is_silent_to_every_new_connection_of_the_attempt(watch: Watch, web: WebServer) -> None:
    def tries_three_times() -> None:
        for _ in range(2):
            with contextlib.suppress(requests.Timeout):
                posts(web.server_port, 10)
                return
        posts(web.server_port, 10)

    run = watched(watch, tries_three_times, "A0!hang2")
    assert [at for at, _ in raised(run)] == [30]


def test_when_all_are_slow_each_wait_takes_its_timeout(watch: Watch, web: WebServer) -> None:
    def asks_twice() -> None:
        requests.get(url(web.server_port), timeout=(1, 10))
        requests.get(url(web.server_port), timeout=(1, 10))

    run = watched(watch, asks_twice, "A0!slow")
    assert run.completed
    assert watch.clock.now() == 22 * SECOND
    assert len(run.trace.effects()) == 2


def test_a_handshake_may_hang_too(watch: Watch, silent: int) -> None:
    context = ssl.create_default_context()

    def shakes_hands(port: int, timeout: float | None) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as plain:
            context.wrap_socket(plain, server_hostname="localhost")

    attempts: list[int] = []

    def once() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            shakes_hands(silent, TIMEOUT)

    run = watched(watch, once, "A0!hang2")
    assert [(at, text) for at, text in raised(run)] == [(TIMEOUT, really(shakes_hands, silent))]


def test_a_server_that_is_slow_in_real_time_is_no_silent_one(
    watch: Watch, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    for name in ("connect", "sendall", "recv"):
        genuine = getattr(socket.socket, name)

        def waiting(sock: socket.socket, *args: Any, genuine: Callable[..., Any] = genuine) -> Any:
            if sock.gettimeout() is not None:  # the server's own have none
                waits.append(sock.gettimeout())
            return genuine(sock, *args)

        monkeypatch.setattr(socket.socket, name, waiting)
    found: list[float | None] = []

    def converses() -> None:
        with socket.create_connection(("127.0.0.1", web.server_port), timeout=TIMEOUT) as connection:
            connection.sendall(b"GET /charges HTTP/1.0\r\n\r\n")
            connection.recv(100)
            found.append(connection.gettimeout())

    assert watched(watch, converses, "A").completed
    assert waits == [5.0] * 3
    assert found == [TIMEOUT]


def test_the_timeout_of_a_silent_server_passes_in_virtual_time_and_it_is_waited_for_once(
    watch: Watch, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobchaos.probes.sockets._PATIENCE", 2 * TIMEOUT)
    waits: list[float | None] = []
    genuine = socket.socket.recv

    def receiving(sock: socket.socket, *args: Any) -> bytes:
        waits.append(sock.gettimeout())
        return genuine(sock, *args)

    monkeypatch.setattr(socket.socket, "recv", receiving)
    moments: list[int] = []

    def asks_again() -> None:
        for _ in range(3):
            moments.append(watch.clock.now())
            with (
                socket.create_connection(("127.0.0.1", silent), timeout=TIMEOUT) as connection,
                pytest.raises(TimeoutError, match="timed out"),
            ):
                connection.recv(100)

    assert watched(watch, asks_again, "A").completed
    assert waits == [2 * TIMEOUT, TIMEOUT, TIMEOUT]
    assert [(moment - moments[0]) / SECOND for moment in moments] == [0, TIMEOUT, 2 * TIMEOUT]


def test_sockets_that_never_wait_are_left_alone(watch: Watch) -> None:
    def talks_to_itself() -> None:
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            left.send(b"x")
            assert right.recv(1) == b"x"

    run = watched(watch, talks_to_itself, "A0!hang")
    assert run.completed
    assert not run.carried_out


def test_sockets_are_as_before_afterwards(watch: Watch, web: WebServer) -> None:
    before = dict(vars(socket.socket)), dict(vars(ssl.SSLSocket))
    watched(watch, lambda: talks(web.server_port, 1), "A")
    assert (dict(vars(socket.socket)), dict(vars(ssl.SSLSocket))) == before
