"""Channel: framed messages between the controller and a forked worker. Its end tells of death."""

from __future__ import annotations

import os
import pickle
import select
import struct
from typing import Any

from jobchaos.engine.interrupts import patiently

_read, _write = os.read, os.write  # the genuine ones: while a check runs, a worker's writes are watched
_LENGTH = struct.Struct("!I")
_CHUNK = 2**16


class Channel:
    """One end of a connection by two pipes; plugins that forbid sockets in tests would forbid a `socketpair`.

    Args:
        incoming: Descriptor to read from.
        outgoing: Descriptor to write to.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._buffer = bytearray()
        self._poll = select.poll()
        self._poll.register(incoming, select.POLLIN)

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        first, second = os.pipe(), os.pipe()
        return cls(first[0], second[1]), cls(second[0], first[1])

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            EOFError: If nobody is there any more.
        """
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        frame = memoryview(_LENGTH.pack(len(data)) + data)
        try:
            while frame:
                frame = frame[_write(self._outgoing, frame) :]
        except BrokenPipeError:
            raise EOFError from None

    def receive(self, seconds: float | None = None) -> Any:
        """Wait for a message.

        Args:
            seconds: How long to wait for it, in real time; None waits for ever.

        Raises:
            EOFError: If nobody is there any more.
            TimeoutError: If it does not come in time.
        """
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size, seconds))
        return pickle.loads(self._take(length, seconds))  # noqa: S301 - it comes from a copy of this process

    def close(self) -> None:
        """Let go of this end."""
        os.close(self._incoming)
        os.close(self._outgoing)

    def _is_readable(self, seconds: float) -> bool:
        return bool(self._poll.poll(seconds * 1000))

    def _take(self, size: int, seconds: float | None) -> bytes:
        while len(self._buffer) < size:
            if seconds is not None and not patiently(self._is_readable, seconds):
                raise TimeoutError
            data = _read(self._incoming, _CHUNK)
            if not data:
                raise EOFError
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
