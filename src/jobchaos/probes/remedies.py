"""Remedies: what to write to set a timeout, told from what the project's code has called."""

from __future__ import annotations

import sys
from types import FrameType

from jobchaos.core.project import is_ours, is_project_file

_BY_MODULE = {
    "urllib.request": "urllib.request.urlopen(..., timeout=...)",
    "urllib3": "timeout= in the request, or urllib3.PoolManager(timeout=...)",
    "http.client": "http.client.HTTPConnection(..., timeout=...)",
    "smtplib": "smtplib.SMTP(..., timeout=...)",
    "ftplib": "ftplib.FTP(..., timeout=...)",
    "imaplib": "imaplib.IMAP4(..., timeout=...)",
    "poplib": "poplib.POP3(..., timeout=...)",
    "asyncpg": "asyncpg.connect(..., timeout=..., command_timeout=...), in seconds",
    "redis": "redis.Redis(..., socket_timeout=..., socket_connect_timeout=...)",
    "pymysql": "pymysql.connect(..., connect_timeout=..., read_timeout=..., write_timeout=...)",
    "MySQLdb": "MySQLdb.connect(..., connect_timeout=..., read_timeout=..., write_timeout=...)",
    "subprocess": "subprocess.{function}(..., timeout=...)",
    "requests.sessions": "session.{function}(..., timeout=...)",
    "requests": "requests.{function}(..., timeout=...)",
    "socket": "socket.create_connection(..., timeout=...)",
    "aiohttp": "aiohttp.ClientTimeout(total=...)",
    "aiosmtplib": "aiosmtplib.send(..., timeout=...), or aiosmtplib.SMTP(timeout=...)",
    "httpx": "timeout= in the request, or httpx.Client(timeout=...)",
    "anyio": "a timeout of the client (httpx: timeout=...), or anyio.fail_after(...) around it",
    "asyncio": "asyncio.timeout(...) or asyncio.wait_for(..., timeout=...) around it",
    "threading": "{function}(timeout=...)",
    "queue": "{function}(timeout=...)",
    "django.core.mail": "EMAIL_TIMEOUT in the settings",
}
"""The first whose name begins the module's; `{function}` is what was called there."""


def remedy(otherwise: str, library: str = "") -> str:
    """What to write where the project's code has called a library, or jobchaos' own stand-in for it.

    Args:
        otherwise: What to write if it has called nothing but a method of the object that waits.
        library: The module of what waits, for when that is a task of its own, and none of the project's lines is there.
    """
    called = _called()
    if called is None and not library:
        return otherwise
    module, function = library, ""
    if called is not None:
        module, function = str(called.f_globals.get("__name__")), called.f_code.co_name
        if library and module.startswith("asyncio."):  # the loop that runs the task
            module = library
    for name, text in _BY_MODULE.items():
        if f"{module}.".startswith(f"{name}."):
            return text.format(function=function)
    return f"a timeout where {module.partition('.')[0]} connects, or socket.setdefaulttimeout(...)"


def _called() -> FrameType | None:
    """The frame of what the innermost line of the project has called; None if that is jobchaos itself."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to walk frames
    called: FrameType | None = None
    while frame is not None and not is_project_file(frame.f_code.co_filename):
        if not is_ours(frame.f_code.co_filename):
            called = frame
        frame = frame.f_back
    return called if frame is not None else None
