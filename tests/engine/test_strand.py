"""Strands: a thread that has ended is gone before anybody forks."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from jobchaos.engine.strand import Strand, see_off


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="threads are listed in /proc")
def test_who_was_seen_off_is_gone_for_the_system() -> None:
    def look_up() -> None:
        socket.getfqdn("localhost")  # what glibc keeps for a thread from then on is freed when it leaves
        numbers.append(threading.get_native_id())

    numbers: list[int] = []
    for _ in range(50):
        assert Strand(look_up, "short").lend(guard=30)
        see_off()
        assert not os.path.exists(f"/proc/self/task/{numbers[-1]}")
    assert len(numbers) == 50
