"""What is in files that hold times of their own, told without these; never by executing it."""

from __future__ import annotations

import datetime
import gzip
import io
import pickle
import tarfile
import zipfile

import pytest

from jobchaos.core.contents import contents


def zipped(text: str, year: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.txt", (year, 1, 1, 0, 0, 0)), text)
    return file.getvalue()


def tarred(text: str, seconds: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("a.txt")
        member.size, member.mtime = len(text), seconds
        archive.addfile(member, io.BytesIO(text.encode()))
    return file.getvalue()


def test_what_is_compressed_is_told_without_the_time_of_the_file() -> None:
    assert contents(gzip.compress(b"7 orders", mtime=1)) == contents(gzip.compress(b"7 orders", mtime=2)) == "7 orders"
    assert contents(zipped("7 orders", 2024)) == contents(zipped("7 orders", 2025)) == "a.txt\n7 orders"
    assert contents(tarred("7 orders", 1)) == contents(tarred("7 orders", 2)) == "a.txt\n7 orders"


def test_what_was_appended_is_told_too() -> None:
    assert contents(gzip.compress(b"one\n") + gzip.compress(b"two\n")) == "one\ntwo\n"


def test_files_in_files_are_told() -> None:
    assert contents(gzip.compress(tarred("7 orders", 1))) == "a.txt\n7 orders"


def test_a_pickle_is_told_by_its_parts_and_a_moment_in_it_is_one_word() -> None:
    one, other = (contents(pickle.dumps({"at": datetime.datetime(2024, 1, day), "runs": 5})) or "" for day in (1, 2))
    (was,), (now,) = set(one.split()) - set(other.split()), set(other.split()) - set(one.split())
    assert was.isalnum()
    assert now.isalnum()
    assert "BININT1 5" in one


class Trap:
    """Would end the test, if somebody loaded it."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return pytest.fail, ("it was loaded",)


def test_a_pickle_is_not_loaded() -> None:
    assert "it was loaded" in (contents(pickle.dumps(Trap())) or "")


@pytest.mark.parametrize(
    "data",
    [b"", b"plain", b"\x1f\x8bbroken", b"PK\x03\x04broken", b"\x80broken", gzip.compress(b"cut off", mtime=0)[:-9]],
)
def test_of_other_bytes_nothing_is_told(data: bytes) -> None:
    assert contents(data) is None
