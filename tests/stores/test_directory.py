"""A directory comes back exactly: files, links, empty directories and permissions, and nothing that was not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobchaos.errors import InternalError, UnsafeRestoreError, UsageError
from jobchaos.stores.directory import DirectoryStore
from tests.stores.conftest import rows_of

Found = dict[str, tuple[int, bytes]]


def everything(root: Path) -> Found:
    """Mode and content of all entries, by path."""
    found: Found = {}
    for path in [root, *root.rglob("*")] if os.path.lexists(root) else []:
        mode = path.lstat().st_mode
        content = os.fsencode(os.readlink(path)) if stat.S_ISLNK(mode) else b""
        found[str(path)] = (mode, path.read_bytes() if stat.S_ISREG(mode) else content)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.txt").write_text("one")
    (root / "sub" / "b.bin").write_bytes(b"\xff\x00\xfe")
    (root / "sub" / "deep" / "script").write_text("#!")
    (root / "sub" / "deep" / "script").chmod(0o750)
    (root / "link").symlink_to("a.txt")
    (root / "broken").symlink_to("nowhere")
    (root / "folder").symlink_to("sub", target_is_directory=True)
    return root


def test_a_snapshot_tells_paths_types_and_contents(root: Path) -> None:
    assert rows_of(DirectoryStore(root), "files") == {
        (".", "directory", None),
        ("a.txt", "file", "one"),
        ("broken", "link", "nowhere"),
        ("empty", "directory", None),
        ("folder", "link", "sub"),
        ("link", "link", "a.txt"),
        ("sub", "directory", None),
        ("sub/b.bin", "file", b"\xff\x00\xfe"),
        ("sub/deep", "directory", None),
        ("sub/deep/script", "file 750", "#!"),
    }


def _shuffle(root: Path) -> None:
    (root / "a.txt").rename(root / "x.txt")
    (root / "sub" / "deep" / "script").rename(root / "a.txt")


def _swap_kinds(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "a.txt").mkdir()
    (root / "a.txt" / "inside").touch()
    shutil.rmtree(root / "sub")
    (root / "sub").write_text("a file now")
    (root / "folder").unlink()
    (root / "folder").mkdir()
    (root / "empty").rmdir()
    (root / "empty").symlink_to("a.txt")


def _link_elsewhere(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("sub")


def _write_through_a_link(root: Path) -> None:
    (root / "link").write_text("two")
    (root / "broken").write_text("not broken any more")
    (root / "folder" / "new").touch()


def _move_a_tree(root: Path) -> None:
    (root / "sub").rename(root / "empty" / "moved")


def _make_a_pipe(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "a.txt").unlink()
    os.mkfifo(root / "a.txt")


ACTS: dict[str, Callable[[Path], object]] = {
    "a file changed": lambda root: (root / "a.txt").write_text("another"),
    "a file of the same size": lambda root: (root / "a.txt").write_text("two"),
    "a file with other bytes": lambda root: (root / "sub" / "b.bin").write_bytes(b"+"),
    "a file replaced": lambda root: os.replace(root / "sub" / "b.bin", root / "a.txt"),
    "a file removed": lambda root: (root / "a.txt").unlink(),
    "a file made": lambda root: (root / "new").write_bytes(bytes(5000)),
    "a tree made": lambda root: (root / "new" / "newer").mkdir(parents=True),
    "a tree removed": lambda root: shutil.rmtree(root / "sub"),
    "an empty directory removed": lambda root: (root / "empty").rmdir(),
    "everything removed": shutil.rmtree,
    "permissions of a file": lambda root: (root / "sub" / "deep" / "script").chmod(0o600),
    "permissions of a directory": lambda root: (root / "sub").chmod(0o700),
    "names exchanged": _shuffle,
    "kinds exchanged": _swap_kinds,
    "a link turned": _link_elsewhere,
    "links written through": _write_through_a_link,
    "a tree moved": _move_a_tree,
    "pipes": _make_a_pipe,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_whatever_is_done_is_undone(root: Path, act: Callable[[Path], object]) -> None:
    store = DirectoryStore(root)
    store.capture()
    before, digest = everything(root), store.snapshot().digest
    for _ in range(2):
        act(root)
        assert everything(root) != before
        store.restore()
        assert everything(root) == before
        assert store.snapshot().digest == digest


NAMES = st.sampled_from(["a", "b", "c/a", "c/b", "c/d/a", "ä ö"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "mkdir", "link", "remove", "chmod"]), NAMES, st.binary(max_size=4)), max_size=12
)


def _step(root: Path, act: str, name: str, data: bytes) -> None:
    path = root / name
    try:
        if act == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif act == "mkdir":
            path.mkdir(parents=True)
        elif act == "link":
            path.symlink_to(data.hex() or "c")
        elif act == "chmod":
            path.chmod(0o700 if data else 0o755)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        pass  # this step does not fit what is there


@settings(max_examples=100, deadline=None, database=None)
@given(prepared=STEPS, runs=st.lists(STEPS, min_size=1, max_size=3))
def test_any_content_is_restored_exactly(
    prepared: list[tuple[str, str, bytes]], runs: list[list[tuple[str, str, bytes]]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "data")
        root.mkdir()
        for step in prepared:
            _step(root, *step)
        store = DirectoryStore(root)
        store.capture()
        before, digest = everything(root), store.snapshot().digest
        for steps in runs:
            for step in steps:
                _step(root, *step)
            (root / "marker").touch()
            assert store.snapshot().digest != digest
            store.restore()
            assert everything(root) == before
            assert store.snapshot().digest == digest


def test_a_file_that_keeps_its_size_and_time_is_restored(root: Path) -> None:
    store = DirectoryStore(root)
    store.capture()
    status = (root / "a.txt").stat()
    (root / "a.txt").write_text("two")
    os.utime(root / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))  # as does shutil.copy2, or a coarse clock
    assert ("a.txt", "file", "two") in rows_of(store, "files")
    store.restore()
    assert (root / "a.txt").read_text() == "one"


def test_two_names_for_one_file_stay_that(root: Path) -> None:
    os.link(root / "a.txt", root / "twin")
    store = DirectoryStore(root)
    store.capture()
    (root / "a.txt").write_text("two")
    store.restore()
    assert (root / "twin").read_text() == "one"
    assert (root / "twin").samefile(root / "a.txt")


def test_what_has_not_changed_is_not_touched(root: Path) -> None:
    store = DirectoryStore(root)
    store.capture()
    kept, changed = (root / "sub" / "b.bin").stat(), root / "a.txt"
    changed.write_text("two")
    store.restore()
    assert changed.read_text() == "one"
    assert (root / "sub" / "b.bin").stat() == kept


def test_a_directory_that_does_not_exist_is_removed_again(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "out")
    store.capture()
    assert rows_of(store, "files") == set()
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "b").touch()
    assert rows_of(store, "files") == {(".", "directory", None), ("a", "directory", None), ("a/b", "file", "")}
    store.restore()
    assert os.listdir(tmp_path) == []


def test_what_lies_beside_is_left_alone(root: Path) -> None:
    store = DirectoryStore(root)
    store.capture()
    beside = root.parent / "data-of-others"
    beside.write_text("mine")
    store.restore()
    assert beside.read_text() == "mine"


def test_a_pipe_is_neither_read_nor_compared(root: Path) -> None:
    before = DirectoryStore(root).snapshot()
    os.mkfifo(root / "pipe")
    store = DirectoryStore(root)
    store.capture()
    assert store.snapshot().same_as(before)
    store.restore()
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)


def test_it_covers_itself_and_all_below(root: Path) -> None:
    store = DirectoryStore(root)
    assert store.covers(f"file:{root}")
    assert store.covers(f"file:{root}/sub/anything")
    assert not store.covers(f"file:{root}-of-others")
    assert not store.covers(f"file:{root.parent}")
    assert not store.covers(f"sql:{root}")


def test_the_name_is_the_directorys_unless_told(root: Path) -> None:
    assert DirectoryStore(f"{root}/").name == "data"
    assert DirectoryStore(root / "folder").name == "sub"
    assert DirectoryStore(root, name="exports").name == "exports"


def test_a_directory_that_is_no_test_resource_is_refused(production: Path) -> None:
    (production / "invoice.pdf").write_bytes(b"%PDF")
    with pytest.raises(UnsafeRestoreError, match="production"):
        DirectoryStore(production).capture()
    assert everything(production)[str(production / "invoice.pdf")][1] == b"%PDF"
    DirectoryStore(production, allow=[str(production)]).capture()


def test_a_refused_directory_survives_a_restore(production: Path) -> None:
    (production / "invoice.pdf").write_bytes(b"%PDF")
    store = DirectoryStore(production)
    with pytest.raises(UnsafeRestoreError):
        store.capture()
    with contextlib.suppress(UsageError, InternalError):
        store.restore()
    assert (production / "invoice.pdf").exists()


def test_too_much_to_keep_in_memory_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobchaos.stores.directory._LARGEST", 22)  # files and targets of links have 23
    with pytest.raises(UsageError, match="Point the store at a smaller directory"):
        DirectoryStore(root).capture()
    monkeypatch.setattr("jobchaos.stores.directory._LARGEST", 23)
    DirectoryStore(root).capture()


def test_times_are_put_back(tmp_path: Path) -> None:
    lock, folder = tmp_path / "a.lock", tmp_path / "b.lock"
    lock.touch()
    folder.mkdir()
    for path in (lock, folder):
        os.utime(path, (1000, 1000))
    store = DirectoryStore(tmp_path)
    store.capture()
    os.utime(lock)
    folder.rmdir()
    store.restore()
    assert [path.stat().st_mtime for path in (lock, folder)] == [1000, 1000]
