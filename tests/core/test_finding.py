from __future__ import annotations

import re

import pytest

from jobchaos.core.finding import CODES, Finding

_FAMILIES = {
    "1": "duplicate",
    "2": "concurrent",
    "3": "crash",
    "4": "timeout",
    "5": "retry",
    "6": "expiry",
    "7": "advice",
    "9": "inconclusive",
}


_FAMILIES_WITHIN = {"JC53": "throttle", "JC94": "suite"}


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_well_formed_and_its_meaning_begins_with_its_family(code: str) -> None:
    assert re.fullmatch(r"JC[1-9]\d\d", code)
    family, _, meaning = CODES[code].partition(": ")
    assert family == _FAMILIES_WITHIN.get(code[:4], _FAMILIES[code[2]])
    assert meaning
    assert not meaning.endswith(".")


def test_codes_are_listed_in_order_and_mean_different_things() -> None:
    assert list(CODES) == sorted(CODES)
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize(
    ("code", "gates", "inconclusive"),
    [("JC101", True, False), ("JC304", True, False), ("JC701", False, False), ("JC901", True, True)],
)
def test_advice_does_not_gate_and_jc9_is_inconclusive(code: str, gates: bool, inconclusive: bool) -> None:
    finding = Finding(code, "message")
    assert (finding.gates, finding.inconclusive) == (gates, inconclusive)
