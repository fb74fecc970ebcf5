"""Paths: which files are anybody's state."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jobchaos.probes.paths import path_of


@pytest.mark.skipif(sys.platform != "linux", reason="these folders are Linux's")
@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/srv/app/file", True),
        ("/srv/proc/file", True),
        ("/dev/null", False),
        ("/proc/self/comm", False),
        ("/sys/kernel/mm", False),
        ("/dev/shm/psm_1234", False),
        ("/dev/shm/pytest-of-ann/file", True),
        ("/srv/app/__pycache__/module.pyc", False),
    ],
)
def test_devices_and_bytecode_are_nobodys_state(path: str, counts: bool) -> None:
    assert (path_of(path) is not None) == counts


def test_a_descriptor_stands_for_its_file(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert path_of(file.fileno()) == os.path.realpath(tmp_path / "file")


def test_a_relative_name_belongs_to_its_folder(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert path_of("file", folder) == os.path.realpath(tmp_path / "file")
    finally:
        os.close(folder)
