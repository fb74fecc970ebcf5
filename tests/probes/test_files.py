"""Files: what creates, writes, renames and removes is a step; what is no state is none."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from os import rename as early_rename
from pathlib import Path

import pytest

from jobchaos.core.effect import Mode
from jobchaos.core.trace import Happening
from jobchaos.probes.entropy import EntropyProbe
from jobchaos.probes.files import FileProbe
from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, effects, seen

early_open = open


def watched(watch: Watch, job: Callable[[], object], folder: Path, token: str = "A") -> list[str]:
    run = watch(job, token, FileProbe(watch.bindings), EntropyProbe(watch.bindings))
    return [text.replace(f"{os.path.realpath(folder)}/", "") for text in seen(run)]


def test_writing_a_new_file_creates_it_and_then_writes(watch: Watch, tmp_path: Path) -> None:
    assert watched(watch, lambda: (tmp_path / "a").write_text("hello"), tmp_path) == ["create a", "write a 5 bytes"]
    assert (tmp_path / "a").read_text() == "hello"


def test_writing_an_old_file_empties_it_first(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    assert watched(watch, lambda: (tmp_path / "a").write_bytes(b"new"), tmp_path) == ["truncate a", "write a 3 bytes"]


def test_appending_is_an_append(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")

    def job() -> None:
        with early_open(tmp_path / "a", "a") as file:
            file.write("2")

    run = watch(job, "A", FileProbe(watch.bindings))
    assert [effect.touches[0].mode for effect in effects(run)] == [Mode.APPEND]
    assert (tmp_path / "a").read_text() == "12"


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("mode", ["w", "wb", "x", "a", "w+", "r+", "rb+", "w+b"])
@pytest.mark.parametrize("buffering", [-1, 0, 1, 4096])
def test_open_behaves_as_python_s_own(watch: Watch, tmp_path: Path, name: str, mode: str, buffering: int) -> None:
    data: str | bytes = b"one\ntwo\n" if "b" in mode else "one\ntwo\n"

    def job(folder: Path) -> object:
        folder.mkdir(exist_ok=True)
        (folder / "b").write_bytes(b"12345678901234567890")
        with open(folder / name, mode, 4096 if buffering == 1 and "b" in mode else buffering) as file:
            written = file.write(data)
            position = file.tell()
            kind = type(file).__name__.replace("WrittenFile", "FileIO")
            return written, position, file.mode, kind, file.name == str(folder / name), file.readable()

    def attempt(folder: Path) -> object:
        try:
            return job(folder), (folder / name).read_bytes()
        except (OSError, ValueError) as error:
            return type(error), str(error).replace(str(folder), "")

    expected = attempt(tmp_path / "genuine")
    found: list[object] = []
    watch(lambda: found.append(attempt(tmp_path / "watched")), "A", FileProbe(watch.bindings))
    assert found == [expected]


def test_files_are_moved_and_removed_under_every_name(watch: Watch, tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_text(name)

    def job() -> None:
        early_rename(tmp_path / "a", tmp_path / "a2")
        os.replace(tmp_path / "a2", tmp_path / "a3")
        (tmp_path / "b").rename(tmp_path / "b2")
        shutil.move(tmp_path / "c", tmp_path / "c2")
        os.unlink(tmp_path / "d")
        (tmp_path / "b2").unlink()
        os.link(tmp_path / "c2", tmp_path / "hard")
        os.symlink("c2", tmp_path / "soft")
        os.truncate(tmp_path / "c2", 0)

    assert watched(watch, job, tmp_path) == [
        "rename a -> a2",
        "rename a2 -> a3",
        "rename b -> b2",
        "rename c -> c2",
        "remove d",
        "remove b2",
        "link hard",
        "link soft",
        "truncate c2",
    ]


def test_directories_are_made_and_removed(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        (tmp_path / "x" / "y").mkdir(parents=True)
        (tmp_path / "x" / "y" / "f").touch()
        shutil.rmtree(tmp_path / "x")

    seen_steps = watched(watch, job, tmp_path)
    assert [step for step in seen_steps if "FileNotFoundError" not in step] == [
        "mkdir x",
        "mkdir x/y",
        "create x/y/f",
        "remove x/y/f",
        "rmdir x/y",
        "rmdir x",
    ]


def test_writing_to_descriptors_is_seen(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 100)

    def job() -> None:
        descriptor = os.open(tmp_path / "a", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, b"hello")
        with os.fdopen(descriptor, "w") as file:
            file.write(" world")
        shutil.copyfile(tmp_path / "source", tmp_path / "copy")

    steps = watched(watch, job, tmp_path)
    assert steps[:3] == ["create a", "write a 5 bytes", "write a 6 bytes"]
    assert steps[3] == "create copy"
    assert steps[4:] == ["write copy 100 bytes"]
    assert (tmp_path / "a").read_text() == "hello world"
    assert (tmp_path / "copy").read_bytes() == b"x" * 100


def test_temporary_files_have_the_same_names_in_every_run(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        with tempfile.NamedTemporaryFile("w", dir=tmp_path, delete=False) as file:
            file.write("hello")
        os.replace(file.name, tmp_path / "a")

    first = watched(watch, job, tmp_path)
    (tmp_path / "a").unlink()
    assert watched(watch, job, tmp_path) == first
    assert [step.split()[0] for step in first] == ["create", "write", "rename"]


def test_what_is_no_state_is_not_seen(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        Path(os.devnull).write_text("gone")
        (tmp_path / "__pycache__").mkdir()
        with tempfile.TemporaryFile() as file:
            file.write(b"private")
        reader, writer = os.pipe()
        os.write(writer, b"x")
        os.close(reader)
        os.close(writer)

    assert [step for step in watched(watch, job, tmp_path) if not step.startswith(("create /", "remove /"))] == []


def test_tempfile_has_tried_its_directory_before_the_job(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so at its first use in a process, holding a lock that stores need to tell what is a test resource."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert not effects(watch(tempfile.gettempdir, "A", FileProbe(watch.bindings)))


def test_a_failing_call_is_a_step_that_changed_nothing(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(tmp_path / "missing")
        with contextlib.suppress(FileNotFoundError):
            os.rename(tmp_path / "missing", tmp_path / "a")
        with contextlib.suppress(FileExistsError):
            os.mkdir(tmp_path)

    run = watch(job, "A", FileProbe(watch.bindings))
    assert [event.applied for event in run.trace.events[1:-1]] == [False] * 3
    assert not any(effect.durable for effect in effects(run))


def test_a_lock_file_is_waited_for_and_not_mistaken_for_progress(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "lock").touch()

    def job() -> None:
        while True:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(tmp_path / "lock", os.O_CREAT | os.O_EXCL))
                return
            time.sleep(1)

    run = watch(job, "A", FileProbe(watch.bindings), SleepProbe(watch.bindings))
    assert run.copies["A"].error.startswith("waits for ever")


def test_a_dead_workers_buffers_are_lost(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        with open(tmp_path / "a", "w") as file:
            file.write("half")
            os.mkdir(tmp_path / "made")
            file.write("whole")

    steps = watched(watch, job, tmp_path, "A1!kill")
    assert steps[0] == "create a"
    assert (tmp_path / "a").read_text() == "halfwhole"
    assert steps.count("write a 9 bytes") == 1


def test_everything_is_back_afterwards(watch: Watch, tmp_path: Path) -> None:
    before = open, os.write, early_open, early_rename
    watch(lambda: (tmp_path / "a").touch(), "A", FileProbe(watch.bindings))
    assert (open, os.write, early_open, early_rename) == before


def test_a_file_mapped_for_writing_is_an_effect(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")

    def job() -> None:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 3, access=mmap.ACCESS_READ):
            pass
        with path.open("r+b") as writable, mmap.mmap(writable.fileno(), 3) as memory:
            memory[0] = 65
        mmap.mmap(-1, 8).close()

    assert watched(watch, job, tmp_path) == ["map a.bin"]
    assert path.read_bytes() == b"Abc"


def test_changed_files_show_virtual_time(watch: Watch, tmp_path: Path) -> None:
    lock, found = tmp_path / "a", list[float]()

    def look() -> None:
        found.append(lock.stat().st_mtime)

    def job() -> None:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        look()
        for change in (lambda: os.write(descriptor, b"1"), lambda: os.utime(lock), lambda: os.truncate(lock, 0)):
            time.sleep(60)
            change()
            look()
        os.close(descriptor)
        time.sleep(60)
        with open(lock, "w") as file:
            look()
            time.sleep(60)
            file.write("2")
            file.flush()
            look()
            time.sleep(60)
            file.truncate(0)
            look()
        lock.unlink()
        lock.mkdir()
        look()

    watch(job, "A", FileProbe(watch.bindings), SleepProbe(watch.bindings))
    assert found == [0, 60, 120, 180, 240, 300, 360, 360]


def test_a_time_that_is_stated_is_left_alone(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    os.utime(tmp_path / "a", (1000, 1000))
    shutil.copymode(tmp_path, tmp_path / "a")
    assert watched(watch, lambda: shutil.copystat(tmp_path / "a", tmp_path), tmp_path) == []
    assert watched(watch, lambda: os.utime(tmp_path / "a"), tmp_path) == ["touch a"]
    assert tmp_path.stat().st_mtime == 1000


def test_other_permissions_are_a_step(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def job() -> None:
        (tmp_path / "a").chmod(0o600)
        (tmp_path / "a").chmod(0o600)
        with (tmp_path / "a").open() as file:
            os.fchmod(file.fileno(), 0o4755)
        with contextlib.suppress(FileNotFoundError):
            (tmp_path / "b").chmod(0o600)

    assert watched(watch, job, tmp_path) == [
        "chmod 600 a",
        "chmod 4755 a",
        "chmod 600 b FileNotFoundError: [Errno 2] No such file or directory: 'b'",
    ]


def moments(watch: Watch, job: Callable[[], object]) -> list[tuple[str, str, float]]:
    """What a job tells of times: leases that it gets and gives back, and deadlines."""

    def later() -> None:
        watch.clock.advance(NOW * 10**9)
        job()

    run = watch(later, "A", FileProbe(watch.bindings))
    told = (Happening.LEASED, Happening.RELEASED, Happening.DEADLINE)
    return [
        (event.happening.name, os.path.basename(event.detail), max(0, event.until - event.at) / 10**9)
        for event in run.trace.events
        if event.happening in told
    ]


NOW = 1_900_000_000


@pytest.mark.parametrize(
    "content",
    [
        '{"owner": "a", "expires_at": 1900000060.0}',
        '{"owner": "a", "until": "2030-03-17T17:47:40+00:00"}',
        "lock\n1900000060",
    ],
)
def test_a_file_with_a_time_to_come_is_a_lease(watch: Watch, tmp_path: Path, content: str) -> None:
    def job() -> None:
        (tmp_path / "a").write_text(content)
        (tmp_path / "a").unlink()

    assert moments(watch, job) == [("DEADLINE", "", 60), ("LEASED", "a", 60), ("RELEASED", "a", 0)]


@pytest.mark.parametrize("move", [os.replace, os.link])
def test_a_lease_goes_along_with_its_file(watch: Watch, tmp_path: Path, move: Callable[[Path, Path], None]) -> None:
    def job() -> None:
        (tmp_path / "a").write_text(f"{NOW + 60}")
        move(tmp_path / "a", tmp_path / "b.lock")
        (tmp_path / "b.lock").write_text("")

    assert moments(watch, job) == [("DEADLINE", "", 60), ("LEASED", "b.lock", 60)]


def test_what_makes_a_lock_may_be_looked_at_later(watch: Watch, tmp_path: Path) -> None:
    for make in (
        lambda: (tmp_path / "a.lock").open("x").close(),
        lambda: (tmp_path / "b.lock").mkdir(),
        lambda: os.utime(tmp_path / "a.lock"),
        lambda: (tmp_path / "c.lock").symlink_to("1"),
        lambda: (tmp_path / "d").write_text(f"{NOW}"),
    ):
        assert moments(watch, make) == [("DEADLINE", "", 0)]


def test_other_files_tell_of_no_time(watch: Watch, tmp_path: Path) -> None:
    def job() -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "1.csv").write_text("1,2,1234567890123")
        with open(tmp_path / "block.log", "a") as log:
            log.write(f"{NOW} begun")

    assert moments(watch, job) == []


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's directory for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    return tmp_path / "system"


def works_in_a_directory(folder: Path | None = None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name, (Path(name) / "draft").open("w") as file:
        file.write("hello")


def takes_a_file() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"hello")


@pytest.mark.parametrize("job", [works_in_a_directory, takes_a_file])
def test_temporary_files_that_are_garbage_go_with_their_attempt(
    watch: Watch, system: Path, job: Callable[[], None]
) -> None:
    run = watch(job, "A", FileProbe(watch.bindings, is_garbage=lambda: True))
    assert effects(run)
    assert all(effect.is_private and not effect.durable for effect in effects(run))
    run = watch(job, "A", FileProbe(watch.bindings))
    assert not any(effect.is_private for effect in effects(run))
    assert all(effect.durable for effect in effects(run))


def test_temporary_files_where_the_job_wants_them_are_like_any_other(
    watch: Watch, system: Path, tmp_path: Path
) -> None:
    probe = FileProbe(watch.bindings, is_garbage=lambda: True)
    assert all(effect.durable for effect in effects(watch(lambda: works_in_a_directory(tmp_path), "A", probe)))


@pytest.mark.parametrize("job", [works_in_a_directory, takes_a_file])
def test_what_somebody_has_left_under_the_name_of_a_temporary_file_changes_no_step(
    watch: Watch, system: Path, job: Callable[[], None]
) -> None:
    def steps() -> list[str]:
        return [
            text.split()[0] for text in seen(watch(job, "A", FileProbe(watch.bindings), EntropyProbe(watch.bindings)))
        ]

    before = steps()
    watch(lambda: tempfile.mkdtemp(), "A", FileProbe(watch.bindings), EntropyProbe(watch.bindings))
    assert len(list(system.iterdir())) == 1
    assert steps() == before
