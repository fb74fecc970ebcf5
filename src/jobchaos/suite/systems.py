"""Systems: whether there is a job system to watch. All that a suite without one ever loads of this package."""

from __future__ import annotations

from jobchaos import adapters


def is_any_present() -> bool:
    """True if the program has imported a job system, in whatever version."""
    return next(adapters.present(), None) is not None or bool(adapters.unknown())
