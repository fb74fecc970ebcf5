"""Unprivileged: runs a program that refuses to be run by root, without a user, a group or a file being changed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

_NEW_USER = 0x10000000  # CLONE_NEWUSER, linux/sched.h
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_INSIDE = 1000  # who the program takes itself for
_NOBODY = "nobody"


class Unprivileged:
    """Starts programs of one installation. As an ordinary user it just does so.

    As root it first tries a user namespace, in which the program sees itself as another user and still owns our files.
    Where these are forbidden, as in many containers, it becomes `nobody`, and the folder that it works in becomes his.

    Args:
        programs: The folder that holds `bin` with the programs, and what they need.
        folder: The folder that they work in.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._nobody = os.geteuid() == 0 and not _namespaces_work()
        if self._nobody:
            self._move_in()

    def start(self, name: str, arguments: Sequence[str], log: int) -> subprocess.Popen[bytes]:
        """Start a program, which ends when this process does.

        Args:
            name: Its name in `bin`.
            arguments: What follows its name.
            log: File descriptor for whatever it prints.

        Raises:
            OSError: If the system refuses.
        """
        return subprocess.Popen(  # noqa: S603 - a program of our own wheel
            [str(self._programs / "bin" / name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self._folder,
            preexec_fn=self._prepare,
        )

    def _prepare(self) -> None:
        if self._nobody:
            user = pwd.getpwnam(_NOBODY)
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        elif os.geteuid() == 0:
            _enter_namespace()
        with contextlib.suppress(OSError, AttributeError):  # only Linux knows it
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGQUIT)

    def _move_in(self) -> None:
        """`nobody` may be kept from reading a virtual environment, as one below a home directory."""
        user = pwd.getpwnam(_NOBODY)
        wheel = self._programs.parent
        libraries = wheel.with_name(f"{wheel.name}.libs")  # which programs in a wheel look for beside it
        for source in (self._programs, libraries):
            if source.exists():
                target = self._folder / source.relative_to(wheel.parent)
                shutil.copytree(source, target, symlinks=True)
        self._programs = self._folder / self._programs.relative_to(wheel.parent)
        os.chown(self._folder, user.pw_uid, user.pw_gid)


def _namespaces_work() -> bool:
    with tempfile.TemporaryFile() as nothing:
        return _succeeds(lambda: subprocess.run(["true"], preexec_fn=_enter_namespace, stderr=nothing, check=True))  # noqa: S607


def _succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespaces")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_INSIDE} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_INSIDE} {gid} 1")
