"""A budget: schedules, seconds, or both, as users write them."""

from __future__ import annotations

import pytest

from jobchaos.core.budget import MOST, Budget
from jobchaos.errors import UsageError


@pytest.mark.parametrize(
    ("value", "budget"),
    [
        (2000, Budget(2000)),
        ("2000", Budget(2000)),
        ("30s", Budget(MOST, 30.0)),
        ("2m", Budget(MOST, 120.0)),
        ("500ms", Budget(MOST, 0.5)),
        ("1.5 h", Budget(MOST, 5400.0)),
        ("2000, 30s", Budget(2000, 30.0)),
        (" 30s,2000 ", Budget(2000, 30.0)),
        (0, Budget(300)),
        ("0, 30s", Budget(300, 30.0)),
        (MOST, Budget(MOST)),
    ],
)
def test_a_budget_is_read(value: object, budget: Budget) -> None:
    assert Budget.parse(value, default=300) == budget


@pytest.mark.parametrize(
    "value",
    [-1, MOST + 1, "9" * 30, True, 2.5, None, "", "many", "-30s", "0s", ["30"], "30 min", "30s, 2m", "1, 2", "2000,",
     "inf s"],
)  # fmt: skip
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"^budget must be a whole number of schedules .*; got ") as caught:
        Budget.parse(value, default=300)
    assert repr(value) in str(caught.value)
