"""What an exception is called in reports."""

from __future__ import annotations

import pytest

from jobchaos.engine.outcome import describe


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no\n"), "ValueError: no"),
        (TimeoutError(), "TimeoutError"),
        (OSError("\n"), "OSError"),
    ],
)
def test_an_error_is_told_by_its_class_and_its_text(error: Exception, text: str) -> None:
    assert describe(error) == text
