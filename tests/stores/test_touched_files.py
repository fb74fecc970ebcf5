"""Files are captured before their first touch, whenever that is, and the state is what differs from then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from jobchaos.errors import UnsafeRestoreError, UsageError
from jobchaos.stores.touched_files import TouchedFiles
from tests.stores.conftest import rows_of


def touched(*paths: Path) -> TouchedFiles:
    store = TouchedFiles()
    store.capture()
    for path in paths:
        store.announce(f"file:{path}")
    return store


def test_what_nobody_announced_is_no_part_of_the_state(tmp_path: Path) -> None:
    store = touched()
    (tmp_path / "a").write_text("one")
    assert rows_of(store, "files") == set()
    store.restore()
    assert (tmp_path / "a").read_text() == "one"


def test_a_file_that_is_as_it_was_is_no_part_of_the_state(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    store = touched(path)
    assert rows_of(store, "files") == set()
    path.write_text("two")
    assert rows_of(store, "files") == {(str(path), "file", "two")}
    path.write_text("one")
    assert rows_of(store, "files") == set()


def test_a_changed_file_is_restored_with_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xff\x00")
    path.chmod(0o740)
    store = touched(path)
    path.write_bytes(b"\xfe")
    path.chmod(0o600)
    assert rows_of(store, "files") == {(str(path), "file 600", b"\xfe")}
    store.restore()
    assert path.read_bytes() == b"\xff\x00"
    assert path.stat().st_mode & 0o777 == 0o740
    assert rows_of(store, "files") == set()


def test_changed_permissions_are_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    path.chmod(0o644)
    store = touched(path)
    path.chmod(0o600)
    assert rows_of(store, "files") == {(str(path), "file 600", "one")}
    store.restore()
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_removed_file_is_told_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    store = touched(path)
    path.unlink()
    assert rows_of(store, "files") == {(str(path), "removed", None)}
    store.restore()
    assert path.read_text() == "one"


def test_a_new_file_is_told_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    store = touched(path)
    for content in ("one", "two"):
        path.write_text(content)
        assert rows_of(store, "files") == {(str(path), "file", content)}
        store.restore()
        assert os.listdir(tmp_path) == []


def test_the_first_touch_counts_and_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    store = touched(path)
    path.write_text("two")
    store.announce(f"file:{path}")
    store.restore()
    assert path.read_text() == "one"


def test_a_file_touched_late_is_captured_as_it_is_then(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    store = touched(first)
    first.write_text("new")
    second.write_text("older")
    store.announce(f"file:{second}")
    second.write_text("newer")
    assert rows_of(store, "files") == {(str(first), "file", "new"), (str(second), "file", "newer")}
    store.restore()
    assert (first.exists(), second.read_text()) == (False, "older")


def test_a_tree_that_is_made_is_told_whole_and_removed_whole(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    store = touched(tree)
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "a").write_text("one")
    assert rows_of(store, "files") == {
        (str(tree), "directory", None),
        (str(tree / "sub"), "directory", None),
        (str(tree / "sub" / "a"), "file", "one"),
    }
    store.restore()
    assert os.listdir(tmp_path) == []


def test_a_tree_that_is_removed_comes_back_whole(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "sub" / "a").write_text("one")
    store = touched(tree)
    shutil.rmtree(tree)
    assert {row[:2] for row in rows_of(store, "files")} == {
        (str(path), "removed") for path in (tree, tree / "sub", tree / "empty", tree / "sub" / "a")
    }
    store.restore()
    assert sorted(os.listdir(tree)) == ["empty", "sub"]
    assert (tree / "sub" / "a").read_text() == "one"


def test_a_renamed_directory_is_back_under_its_old_name_only(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a").write_text("one")
    store = touched(old, new)
    old.rename(new)
    (new / "a").write_text("two")
    assert rows_of(store, "files") == {
        (str(old), "removed", None),
        (str(old / "a"), "removed", None),
        (str(new), "directory", None),
        (str(new / "a"), "file", "two"),
    }
    store.restore()
    assert os.listdir(tmp_path) == ["old"]
    assert (old / "a").read_text() == "one"


def test_a_replaced_file_is_restored(tmp_path: Path) -> None:
    path, temporary = tmp_path / "a", tmp_path / "a.part"
    path.write_text("one")
    store = touched(temporary, path)
    temporary.write_text("two")
    temporary.replace(path)
    assert rows_of(store, "files") == {(str(path), "file", "two")}
    store.restore()
    assert path.read_text() == "one"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_becomes_a_directory_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    store = touched(path)
    path.unlink()
    path.mkdir()
    (path / "inside").touch()
    assert (str(path), "directory", None) in rows_of(store, "files")
    store.restore()
    assert path.read_text() == "one"


def test_links_are_links(tmp_path: Path) -> None:
    target, link, made = tmp_path / "target", tmp_path / "link", tmp_path / "made"
    target.write_text("one")
    link.symlink_to("target")
    store = touched(link, made)
    link.unlink()
    link.symlink_to("elsewhere")
    made.symlink_to("target")
    assert rows_of(store, "files") == {(str(link), "link", "elsewhere"), (str(made), "link", "target")}
    store.restore()
    assert os.readlink(link) == "target"
    assert target.read_text() == "one"
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_a_new_link_to_a_directory_does_not_lead_into_it(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.mkdir()
    (kept / "a").write_text("one")
    store = touched(link)
    link.symlink_to(kept, target_is_directory=True)
    told = rows_of(store, "files")
    store.restore()
    assert (kept / "a").read_text() == "one"
    assert not link.is_symlink()
    assert (str(link), "link", str(kept)) in told


def test_what_lies_behind_a_new_link_is_not_new(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.mkdir()
    (kept / "a").write_text("one")
    store = touched(link)
    link.symlink_to(kept, target_is_directory=True)
    assert rows_of(store, "files") == {(str(link), "link", str(kept))}


def test_a_file_that_stays_open_goes_on_writing_to_the_restored_one(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("begin\n")
    store = touched(path)
    with path.open("a") as log:  # as in a logging.FileHandler
        for _ in range(2):
            log.write("line\n")
            log.flush()
            assert rows_of(store, "files") == {(str(path), "file", "begin\nline\n")}
            store.restore()
            assert path.read_text() == "begin\n"


def test_a_pipe_is_no_part_of_the_state_and_goes_all_the_same(tmp_path: Path) -> None:
    store = touched(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe")
    assert rows_of(store, "files") == set()
    store.restore()
    assert os.listdir(tmp_path) == []


def test_a_path_that_is_no_test_resource_is_refused_before_it_is_read(production: Path) -> None:
    path = production / "invoice.txt"
    path.write_text("one")
    store = TouchedFiles()
    with pytest.raises(UnsafeRestoreError, match=r"invoice\.txt"):
        store.announce(f"file:{path}")
    path.write_text("two")
    store.restore()
    assert path.read_text() == "two"
    allowing = TouchedFiles([str(production)])
    allowing.announce(f"file:{path}")
    path.write_text("three")
    allowing.restore()
    assert path.read_text() == "two"


def test_a_file_too_large_to_keep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobchaos.stores.tree._LARGEST", 3)
    (tmp_path / "small").write_text("123")
    (tmp_path / "large").write_text("1234")
    touched(tmp_path / "small")
    with pytest.raises(UsageError, match="Let the test prepare a smaller one"):
        touched(tmp_path / "large")


def test_it_covers_files_only_and_any_of_them() -> None:
    store = TouchedFiles()
    assert store.name == "files"
    assert [store.covers(resource) for resource in ("file:/tmp/a", "sql:/tmp/a", "http:x")] == [True, False, False]


def test_temporary_files_are_told_apart(tmp_path: Path) -> None:
    made, other = tmp_path / "tmp1", tmp_path / "tmp12"
    store = touched()
    store.announce(f"temporary:{made}")
    for path in (made, other):
        store.announce(f"file:{path}")
        path.mkdir()
    (made / "a").write_text("one")
    assert rows_of(store, "files") == {(str(other), "directory", None)}
    assert rows_of(store, "temporary files") == {(str(made), "directory", None), (str(made / "a"), "file", "one")}
    store.restore()
    assert os.listdir(tmp_path) == []
