"""How drivers of MariaDB and MySQL wait for answers while a check runs."""

from __future__ import annotations

import select

from jobchaos.core.ports import Worker
from jobchaos.probes.server_database import SOON
from jobchaos.probes.server_session import ServerSession

_poll = select.poll
_IDLE = 10  # looks at a session that has nothing to do: it has been asked nothing, and a read will say why


def wait_for_answer(descriptor: int, session: ServerSession, worker: Worker) -> None:
    """Wait until there is something to read; look from time to time at why there is not.

    Args:
        descriptor: The connection's socket.
        session: Its session.
        worker: Who waits.
    """
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    idle, patience = 0, session.patience
    try:
        while not poll.poll(patience) and idle < _IDLE:
            patience = SOON
            session.look_around(worker)
            idle = idle + 1 if session.is_idle else 0
    finally:
        session.answered()
