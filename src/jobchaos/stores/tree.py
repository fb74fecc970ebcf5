"""Tree: files, directories and links as values, and how to put them back."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from jobchaos.core.snapshot import Cell
from jobchaos.errors import UsageError
from jobchaos.stores.sqlite_images import without_counters

E = TypeVar("E", bound="Entry | None")
_LARGEST = 64 * 2**20
_USUAL = {"file": (0o644, 0o664), "directory": (0o755, 0o775)}
"""Permissions that need not be told: what umasks leave of those that programs ask for."""
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry.

    Attributes:
        kind: `file`, `directory`, `link`, or `other` (a socket or pipe: neither compared nor put back).
        content: A file's bytes, or a link's target.
        mode: Permission bits.
        inode: A file's number on its device, which other names and open files share. Not compared.
        changed: When its content was changed last, in nanoseconds; None of links. Not compared.
    """

    kind: str
    content: bytes = b""
    mode: int = 0o755
    inode: int = field(default=0, compare=False)
    changed: int | None = field(default=None, compare=False)

    @property
    def type(self) -> str:
        """The kind, with permissions that are not the usual ones: `file 600`."""
        return self.kind if self.mode in _USUAL.get(self.kind, (self.mode,)) else f"{self.kind} {self.mode:03o}"

    @property
    def cell(self) -> Cell:
        """The content for people: text if it is one."""
        if self.kind == "directory":
            return None
        if self.content.startswith(_SQLITE):  # a copy of a database that is restored over and over
            return without_counters(self.content)
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            return self.content


def read(path: str) -> Entry | None:
    """What is at `path`; None if nothing is.

    Raises:
        UsageError: If it is a file of more than 64 MiB.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", os.fsencode(os.readlink(path)))
    if stat.S_ISDIR(status.st_mode):
        return Entry("directory", mode=mode, changed=status.st_mtime_ns)
    if not stat.S_ISREG(status.st_mode):
        return Entry("other")
    if status.st_size > _LARGEST:
        raise UsageError(
            f"{path} has {status.st_size >> 20} MiB; a check keeps files in memory and restores them many times, so at "
            f"most {_LARGEST >> 20} MiB are taken. Let the test prepare a smaller one."
        )
    return Entry("file", Path(path).read_bytes(), mode, status.st_ino, status.st_mtime_ns)


def below(path: str) -> Iterator[str]:
    """All paths below a directory, each after the one that contains it; none if it is a link, or no directory."""
    if os.path.islink(path):
        return
    for folder, folders, files in os.walk(path):
        yield from (os.path.join(folder, name) for name in sorted((*folders, *files)))


def left_to_others(initial: Mapping[str, E], files: frozenset[str]) -> dict[str, E]:
    """What was there in the beginning, without files of which other stores have just captured the content.

    Those that are gone by now stay in it: nobody else can bring them back.
    """
    return {
        path: entry
        for path, entry in initial.items()
        if path not in files or (entry is not None and not os.path.lexists(path))
    }


def put(wanted: Mapping[str, Entry]) -> None:
    """Make each path be an entry. What else is in a directory stays; a file that is still the same one stays so."""
    for path in sorted(wanted):
        _put(path, wanted[path])
    for path in sorted(wanted, reverse=True):  # what is made in a directory changes it
        changed = wanted[path].changed
        if changed is not None and os.lstat(path).st_mtime_ns != changed:
            os.utime(path, ns=(changed, changed))


def _put(path: str, entry: Entry) -> None:
    present = read(path)
    if present == entry or entry.kind == "other":
        return
    if present is not None and (entry.kind == "link" or (present.kind, present.inode) != (entry.kind, entry.inode)):
        remove(path)
    if entry.kind == "directory":
        os.makedirs(path, exist_ok=True)
    elif entry.kind == "link":
        os.symlink(os.fsdecode(entry.content), path)
    else:
        _write(path, entry.content)
    if entry.kind != "link":
        os.chmod(path, entry.mode)


def _write(path: str, content: bytes) -> None:
    try:
        Path(path).write_bytes(content)
    except PermissionError:  # it is there, and read-only
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
        Path(path).write_bytes(content)


def remove(path: str) -> None:
    """Make `path` be nothing, with all below it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
