"""Dead men don't write: whatever a killed job's clean-up code tries, the world stays as death found it."""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import shutil
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos import DirectoryStore, Settings, check

LastWords = Callable[[Path, int], object]


def _copies(folder: Path, descriptor: int) -> None:
    source = os.open(folder / "source", os.O_RDONLY)
    try:
        os.sendfile(descriptor, source, 0, 3)
    finally:
        os.close(source)


def _maps(_folder: Path, descriptor: int) -> None:
    with mmap.mmap(descriptor, 3) as memory:
        memory[0] = 65
        memory.flush()


def _prints(_folder: Path, descriptor: int) -> None:
    with os.fdopen(os.dup(descriptor), "w") as file:
        file.write("late")


def _updates(folder: Path, _descriptor: int) -> None:
    with contextlib.closing(sqlite3.connect(folder / "app.db")) as db, db:
        db.execute("UPDATE t SET n = n + 1")


def _replaces_the_database(folder: Path, _descriptor: int) -> None:
    closing = contextlib.closing
    with closing(sqlite3.connect(":memory:")) as empty, closing(sqlite3.connect(folder / "app.db")) as db:
        empty.backup(db)


LAST_WORDS: dict[str, LastWords] = {
    "write": lambda _, descriptor: os.write(descriptor, b"late"),
    "pwrite": lambda _, descriptor: os.pwrite(descriptor, b"late", 0),
    "writev": lambda _, descriptor: os.writev(descriptor, [b"late"]),
    "truncate": lambda folder, _: os.truncate(folder / "file", 0),
    "ftruncate": lambda _, descriptor: os.ftruncate(descriptor, 0),
    "sendfile": _copies,
    "mmap": _maps,
    "fdopen": _prints,
    "rename": lambda folder, _: os.rename(folder / "file", folder / "moved"),
    "remove": lambda folder, _: os.remove(folder / "file"),
    "link": lambda folder, _: os.link(folder / "file", folder / "other"),
    "symlink": lambda folder, _: os.symlink("file", folder / "other"),
    "mkdir": lambda folder, _: os.mkdir(folder / "other"),
    "rmtree": lambda folder, _: shutil.rmtree(folder / "tree"),
    "sqlite": _updates,
    "backup": _replaces_the_database,
}


ONE_OF_EACH_KIND = {"write", "truncate", "rename", "mkdir", "sqlite"}


@pytest.mark.parametrize(
    "caught", [pytest.param(BaseException, marks=pytest.mark.thorough), ()], ids=["except", "finally"]
)
@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=() if words in ONE_OF_EACH_KIND else pytest.mark.thorough) for words in LAST_WORDS],
)
def test_last_words_change_nothing(tmp_path: Path, words: str, caught: type[BaseException] | tuple[()]) -> None:
    (tmp_path / "file").write_text("abc")
    (tmp_path / "source").write_text("xyz")
    (tmp_path / "tree" / "below").mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)")

    def job() -> None:
        descriptor = os.open(tmp_path / "file", os.O_RDWR)
        completed = False
        try:
            (tmp_path / "one").write_text("1")
            (tmp_path / "two").write_text("2")
            completed = True
        except caught:
            LAST_WORDS[words](tmp_path, descriptor)
            raise
        finally:
            if not completed:
                LAST_WORDS[words](tmp_path, descriptor)
            os.close(descriptor)

    everything = DirectoryStore(tmp_path)  # also what the job itself never touches
    for position in range(3):  # a termination would let it speak
        verdict = check(job, stores=[everything], schedule=f"A{position}!kill A", settings=Settings(profile="quick"))
        assert verdict.status == "holds", verdict.findings
        for path, text in (("file", "abc"), ("source", "xyz")):
            (tmp_path / path).write_text(text)
        for path in ("one", "two"):
            (tmp_path / path).unlink()


def _appends_to_an_archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "file.zip", "a") as archive:  # closing it writes, and cuts off what is behind
        for name in {"a.txt", "b.txt"}.difference(archive.namelist()):
            archive.writestr(zipfile.ZipInfo(name), "abc")


def _truncates_what_it_has_opened(folder: Path) -> None:
    with (folder / "file.txt").open("a") as file:
        try:
            file.write("abc")
            file.flush()
        finally:
            file.truncate(30)


class _Saved:
    """Saves itself again whenever it is collected, as `dbm.dumb` does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("open")

    def __del__(self) -> None:
        self.path.write_text("closed")


def _is_collected(folder: Path) -> None:
    saved = _Saved(folder / "file.txt")
    (folder / "other.txt").write_text("abc")
    del saved


@pytest.mark.parametrize("job", [_appends_to_an_archive, _truncates_what_it_has_opened, _is_collected])
def test_what_was_open_is_left_as_a_real_death_leaves_it(
    tmp_path: Path, job: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    verdict = check(functools.partial(job, tmp_path), stores=[DirectoryStore(tmp_path)], faults=["crash"])
    # A real SIGKILL comes to another state wherever the simulated dead could act; both runs are compared.
    assert [finding.code for finding in verdict.findings if finding.code == "JC910"] == []
    assert not complaints
