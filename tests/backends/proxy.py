"""Proxy: stands between a job and its server, and can be gone from one moment to the next."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Listens on this machine, and passes on what it gets.

    Args:
        connect: Opens a connection to the server.
        altered: What becomes of what the server sends.
    """

    def __init__(
        self, connect: Callable[[], socket.socket], altered: Callable[[bytes], bytes] = lambda told: told
    ) -> None:
        self._connect = connect
        self._altered = altered
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def vanish(self) -> None:
        """Break every connection, and take no more of them."""
        for each in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = self._connect()
                self._ends += [near, far]
                for source, target, altered in ((near, far, bytes), (far, near, self._altered)):
                    arguments = source, target, altered
                    self._threads.append(threading.Thread(target=_pass_on, args=arguments, daemon=True))
                    self._threads[-1].start()


def _pass_on(source: socket.socket, target: socket.socket, altered: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(altered(data))
        target.shutdown(socket.SHUT_WR)
