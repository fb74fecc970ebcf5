"""Servers: real ones from pip wheels, for tests. Unprivileged, for this machine only, removed afterwards.

`postgres()` is a context manager; the fixture `jobchaos_postgres` keeps one for the session.
"""

from __future__ import annotations

from jobchaos.servers.postgres import postgres

__all__ = ["postgres"]
