"""Expiry: how keys with a time to live are kept on a server whose clock is real, while a check's time is virtual.

While no command runs, a key that a job has touched expires, as the server sees it, so many milliseconds after `ANCHOR`
as it will after the run's beginning in virtual time. That is so far away that the server never deletes it; and it
stays with the key when that is copied, dumped and restored, whichever process does it.
"""

from __future__ import annotations

ANCHOR = 7_258_118_400_000
"""Milliseconds since the epoch: the year 2200."""
