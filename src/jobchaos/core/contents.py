"""Contents: what is in compressed files, archives and pickles, as text that can be compared word by word."""

from __future__ import annotations

import functools
import gzip
import io
import pickletools
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

_MOST = 10_000_000  # bytes of one file; what comes after them is not looked at
_BROKEN = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError)
_TAR_MAGIC = slice(257, 262)


@functools.lru_cache(maxsize=8)  # one comparison asks several times
def contents(data: bytes) -> str | None:
    """What a gzip or zip file, a tar archive or a pickle holds, without the times of its own; None for other bytes.

    Nothing is executed: a pickle is told by its opcodes.

    Args:
        data: The bytes of a file, or of a value.
    """
    reader = next((read for start, read in _READERS if data.startswith(start)), None)
    if reader is None and data[_TAR_MAGIC] == b"ustar":
        reader = _in_tar
    if reader is None:
        return None
    try:
        return "\n".join(reader(data))
    except _BROKEN:
        return None


def _in_gzip(data: bytes) -> Iterator[str]:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        yield _text(file.read(_MOST))


def _in_zip(data: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as file:
                yield f"{entry.filename}\n{_text(file.read(_MOST))}"


def _in_tar(data: bytes) -> Iterator[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            yield f"{member.name}\n{_text(file.read(_MOST)) if file else member.linkname}"


def _in_pickle(data: bytes) -> Iterator[str]:
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name != "FRAME":
            # Bytes, such as those of a datetime, are one word, whatever is printable among them.
            yield f"{opcode.name} {argument.hex() if isinstance(argument, bytes) else repr(argument)}"


def _text(data: bytes) -> str:
    return contents(data) or data.decode("latin-1")


_READERS: tuple[tuple[bytes, Callable[[bytes], Iterator[str]]], ...] = (
    (b"\x1f\x8b", _in_gzip),
    (b"PK\x03\x04", _in_zip),
    (b"\x80", _in_pickle),
)
