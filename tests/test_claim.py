"""The claim says what was covered, no more."""

from __future__ import annotations

import pytest

from jobchaos.claim import claim
from jobchaos.core.verdict import FamilyResult


def family(name: str, run: int, planned: int, *, pruned: int = 0) -> FamilyResult:
    return FamilyResult(name, "holds", planned, run, 0, pruned, f"what {name} means")


ALL = [family("duplicate", 1, 1), family("concurrent", 12, 15, pruned=3), family("crash", 7, 7)]


def test_a_verdict_that_holds_states_its_bounds() -> None:
    assert claim("holds", ALL, granularity="effect", effects=11) == (
        "complete: what duplicate means; what concurrent means; what crash means "
        "(1 of 1 duplicate, 12 of 15 concurrent, 7 of 7 crash schedules; "
        "3 more leave the same; 11 steps at effect granularity)"
    )


def test_a_family_without_schedules_claims_nothing() -> None:
    text = claim("holds", [ALL[0], family("retry", 0, 0)], granularity="line", effects=1)
    assert (
        text == "complete: what duplicate means (1 of 1 duplicate, 0 of 0 retry schedules; 1 step at line granularity)"
    )


@pytest.mark.parametrize("status", ["fails", "inconclusive"])
def test_other_verdicts_claim_nothing_but_tell_what_was_run(status: str) -> None:
    partly = [*ALL[:2], family("crash", 3, 7)]
    text = claim(status, partly, granularity="effect", effects=11)
    assert text == "1 of 1 duplicate, 12 of 15 concurrent, 3 of 7 crash schedules run"
    assert claim(status, [], granularity="effect", effects=0) == "no schedule run"
