"""Fresh: the random values a run was handed, and where they turn up again in what it has stored."""

from __future__ import annotations

import base64
import functools
import re
import uuid
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from jobchaos.core.snapshot import Cell

_SHORTEST_CHUNK = 4  # bytes; two shorter ones may be equal by chance
_LONGEST_NUMBER = 64  # bytes; nobody writes longer ones in decimal
_FEWEST_DIGITS = 6  # a shorter number may well be a count or a price
_UUID = 16  # bytes
_START = 4  # characters; no form is shorter


@dataclass(frozen=True, slots=True)
class Fresh:
    """The random values handed out during one run.

    Attributes:
        chunks: What each request for random bytes was answered with, in order.
    """

    chunks: tuple[bytes, ...]


class Found(NamedTuple):
    """Random values in a cell.

    Attributes:
        texts: What stands before, between and after them.
        forms: For each, what it is written as.
        chunks: For each, the bytes that were handed out.
    """

    texts: tuple[str, ...]
    forms: tuple[str, ...]
    chunks: tuple[bytes, ...]


class _Known(NamedTuple):
    text: str
    form: str
    chunk: bytes


class Forms:
    """Every text that one of a run's random values may have been turned into."""

    def __init__(self, fresh: Fresh) -> None:
        chunks = (chunk for chunk in dict.fromkeys(fresh.chunks) if len(chunk) >= _SHORTEST_CHUNK)
        known = {one.text: one for chunk in chunks for one in _forms(chunk)}
        self._by_start: dict[str, list[_Known]] = {}
        for one in sorted(known.values(), key=lambda one: -len(one.text)):
            self._by_start.setdefault(one.text[:_START], []).append(one)
        # In a text of megabytes, all but few places are ruled out by their characters, without a step of Python's.
        places = ("".join(map(re.escape, sorted(set(each)))) for each in zip(*self._by_start, strict=True))
        self._places = re.compile(f"(?={''.join(f'[{place}]' for place in places)})")

    def find(self, cell: Cell) -> Found | None:
        """The random values in a cell; None if there are none."""
        if not self._by_start or not isinstance(cell, str | bytes | int):
            return None
        text = as_text(cell)
        texts: list[str] = []
        found: list[_Known] = []
        end = 0
        for start, known in self._search(text):
            texts.append(text[end:start])
            found.append(known)
            end = start + len(known.text)
        if not found:
            return None
        texts.append(text[end:])
        return Found(tuple(texts), tuple(known.form for known in found), tuple(known.chunk for known in found))

    def shape(self, cell: Cell) -> tuple[Hashable, ...]:
        """The cell's type, and all that is in it but for the random values."""
        found = self.find(cell)
        return (type(cell).__name__, *((repr(cell),) if found is None else (found.forms, found.texts)))

    def without(self, cell: Cell) -> Cell:
        """The cell, or its text without the random values in it."""
        found = self.find(cell)
        return cell if found is None else "\0".join(found.texts)

    def _search(self, text: str) -> Iterator[tuple[int, _Known]]:
        end = 0
        for place in self._places.finditer(text):
            start = place.start()
            for known in self._by_start.get(text[start : start + _START], ()):
                if start >= end and text.startswith(known.text, start):
                    end = start + len(known.text)
                    yield start, known


@functools.lru_cache(maxsize=8)
def forms_of(fresh: Fresh) -> Forms:
    """The forms of a run's random values. Most runs are handed the same ones, so the last few are kept."""
    return Forms(fresh)


def as_text(cell: Cell) -> str:
    """A cell as text, in which random values and times can be looked for."""
    return cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)


def _forms(chunk: bytes) -> Iterator[_Known]:
    # Upper and lower case, or the two base64 alphabets, are one form: for many values they are the same text.
    for value in (chunk, uuid.UUID(bytes=chunk, version=4).bytes) if len(chunk) == _UUID else (chunk,):
        texts = {
            "raw": [value.decode("latin-1")],
            "hex": [value.hex(), value.hex().upper()],
            "base64": [encode(value).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)],
        }
        if len(value) == _UUID:
            dashed = str(uuid.UUID(bytes=value))
            texts["uuid"] = [dashed, dashed.upper()]
        if len(value) <= _LONGEST_NUMBER:
            numbers = str(int.from_bytes(value, "big")), str(int.from_bytes(value, "little"))
            texts["number"] = [number for number in numbers if len(number) >= _FEWEST_DIGITS]
        yield from (_Known(text, form, chunk) for form, written in texts.items() for text in written)
