"""Outline: what stays of a text with a time in it, whatever the time."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable

from jobchaos.core.contents import contents
from jobchaos.core.snapshot import SERVER_TIME, Cell

# Two copies do at two moments what a single run did in one, so times that were equal need not be so.
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d:\d\d|(?<!\d)(19|20)\d{6}(?!\d)|(?<!\d)(19|20)\d{6}T?\d{4,6}(?!\d)"
    r"|(?<!\d)[1-4]\d{9}(\d{3}|\d{6}|\d{9})?(?!\d)"
)
_RANDOM = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{12,}(?![0-9a-z])", re.IGNORECASE
)
"""UUIDs and other random hexadecimal digits, some of which look like a time by chance."""
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?|[1-4]\d{9}(\d{3}|\d{6}|\d{9})?(\.\d+)?"
)
_WORD = re.compile(r"\w+")
_BLANKS = re.compile(" {2,}")
_ADDRESS = re.compile(r"\d{13,}|0x\w{8,}")
"""Numbers of threads and objects, which may be the same by chance."""


def has_time(text: str) -> bool:
    """True if something in a text looks like a time or a date."""
    return _TIME.search(_RANDOM.sub("", text)) is not None


def is_moment(cell: Cell) -> bool:
    """True if a cell is a text that tells one moment, and nothing else."""
    return isinstance(cell, str) and (cell == SERVER_TIME or _MOMENT.fullmatch(cell) is not None)


def readable(cell: Cell) -> str | None:
    """The text of a cell in which words may be the same at all times; None if they cannot be told apart.

    Args:
        cell: A text with a time in it; or bytes whose contents can be read, as times make all of them different.
    """
    if isinstance(cell, bytes):
        return contents(cell)
    return cell if isinstance(cell, str) and has_time(cell) else None


def outline(cell: Cell, steady: frozenset[int] = frozenset()) -> str:
    """What must be equal in two cells that hold times: a log with two lines is none with one.

    Args:
        cell: The cell.
        steady: Which words of it are the same at all times, by their numbers.

    Returns:
        A text with times in it without its words, but for the steady ones. Empty for other cells.
    """
    if is_moment(cell):
        return SERVER_TIME  # the job's own clock may show what the server's does, and a fraction may be 0
    return _outline(cell, steady) if isinstance(cell, str | bytes) else ""


@functools.lru_cache(maxsize=32)  # the clean run's cells are looked at again and again
def _outline(cell: str | bytes, steady: frozenset[int]) -> str:
    number = itertools.count()
    text = _WORD.sub(lambda word: word[0] if next(number) in steady else "#", readable(cell) or "")
    return _BLANKS.sub(" ", text)  # `time.ctime` writes "Jan  8"


def steady_words(texts: Iterable[str]) -> frozenset[int]:
    """Which words are the same in all texts of one outline, by their numbers."""
    places = zip(*map(_WORD.findall, texts), strict=True)
    return frozenset(
        number for number, words in enumerate(places) if len(set(words)) == 1 and not _ADDRESS.fullmatch(words[0])
    )
