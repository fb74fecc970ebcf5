"""What an exception is called in reports."""

from __future__ import annotations

import pytest

from jobchaos.engine.outcome import describe


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no\n"), "ValueError: no"),
        (TimeoutError(), "TimeoutError"),
        (OSError("\n"), "OSError"),
        (UnspeakableError(), "UnspeakableError: <exception str() failed>"),
    ],
)
def test_an_error_is_told_by_its_class_and_its_text(error: Exception, text: str) -> None:
    assert describe(error) == text
