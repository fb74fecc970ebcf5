"""The bytes that a Redis client sends, read and written: commands as arrays of bulk strings.

They are the truth, whatever a client does to its arguments: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

Command = tuple[bytes, ...]

_LONGEST_WORD = 40
_LONGEST_LABEL = 160


def commands_in(packed: str | bytes | Iterable[bytes]) -> Iterator[Command]:
    """The commands in what a client is about to send.

    Args:
        packed: One text, or the pieces of it in order.
    """
    if isinstance(packed, str):
        packed = packed.encode()
    text = packed if isinstance(packed, bytes) else b"".join(bytes(piece) for piece in packed)
    position = 0
    while position < len(text):
        count, position = _number(text, position)
        words: list[bytes] = []
        for _ in range(count):
            length, position = _number(text, position)
            words.append(text[position : position + length])
            position += length + 2
        yield tuple(words)


def _number(text: bytes, position: int) -> tuple[int, int]:
    """The number after `*` or `$`, and where the next thing begins."""
    end = text.index(b"\r\n", position)
    return int(text[position + 1 : end]), end + 2


def packed(commands: Iterable[Command]) -> bytes:
    """Commands as bytes to be sent."""
    pieces: list[bytes] = []
    for words in commands:
        pieces.append(b"*%d\r\n" % len(words))
        pieces += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(pieces)


def name_of(command: Command) -> str:
    """A command's name, in capitals."""
    return _name(command[0])


@functools.lru_cache(maxsize=1024)
def _name(word: bytes) -> str:
    return word.decode("latin-1").upper()


def label(command: Command) -> str:
    """A command on one line, for people."""
    text = " ".join([name_of(command), *map(word, command[1:])])
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 3] + "..."


def word(data: bytes) -> str:
    """One argument, for people: in quotes if it would not be clear where it ends."""
    text = data.decode("utf-8", "backslashreplace")
    text = text if len(text) <= _LONGEST_WORD else text[: _LONGEST_WORD - 3] + "..."
    return text if text and text.isprintable() and " " not in text else repr(text)


def outcome(reply: object) -> str:
    """A reply, for people. Of a collection only the size: the server may give its members in any order."""
    if reply is None:
        return "-> nil"
    if isinstance(reply, bytes):
        return f"-> {word(reply)}"
    if isinstance(reply, Exception):
        return f"-> {reply}"
    if isinstance(reply, list | dict | set):
        return f"-> {len(reply)} items" if len(reply) != 1 else "-> 1 item"
    return f"-> {reply}"
