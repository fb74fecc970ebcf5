"""Shown: text from the job's world made fit to show: masked, its control characters escaped, not too long."""

from __future__ import annotations

import re

from jobchaos.core.snapshot import Cell
from jobchaos.report.masking import MASK, is_secret, mask

LONGEST = 2000
_READ = 20_000  # of a longer text nothing further is looked at
_TEMPORARY = re.compile(r"""(?:/[^/\s'"]+)*/pytest-of-[^/\s'"]+/pytest-\d+/""")
"""The part of `tmp_path` that is another one in every session."""


def shown(text: str, limit: int = LONGEST) -> str:
    """Mask, escape and shorten a text of one line."""
    return shorten(escape(_masked(text)), limit)


def one_line(text: str, limit: int = LONGEST) -> str:
    """`shown`, with each run of white space turned into one space: statements are often written over many lines."""
    return shown(" ".join(text[:_READ].split()), limit)


def literal(column: str, value: Cell, limit: int = LONGEST) -> str:
    """A cell as a program would write it: `1`, `"Ann"`, `b'..'`, `None`."""
    if is_secret(column):
        return MASK
    if not isinstance(value, str):
        return shown(repr(value), limit)
    return shorten('"' + escape(_masked(value).replace("\\", "\\\\").replace('"', '\\"')) + '"', limit)


def _masked(text: str) -> str:
    return _TEMPORARY.sub(".../", mask(text[:_READ]))


def escape(text: str) -> str:
    r"""Replace whatever is not printable, terminal codes and direction marks included, by `\n`, `\x1b`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def shorten(text: str, limit: int) -> str:
    """Leave out the middle of what is longer than `limit` characters: both ends tell more."""
    if len(text) <= limit:
        return text
    tail = max(0, limit - 3) // 3
    return text[: max(0, limit - 3 - tail)] + "..."[:limit] + text[len(text) - tail :]
