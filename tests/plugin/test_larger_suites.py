"""Zero-change mode on larger suites and whole programs, each in a process of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.adapters.small_suite import causes

SHOP = Path(__file__).parents[2] / "examples" / "shop"


@pytest.mark.thorough
def test_the_shop_has_three_causes_and_its_sound_tasks_are_silent(pytester: pytest.Pytester) -> None:
    pytester.copy_example(str(SHOP))
    command = ("--jobchaos", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", ".")
    result = pytester.runpytest_subprocess(*command)
    assert causes(result) == [
        ("JC103", "A", "shop.tasks.award_points"),
        ("JC101", "A", "shop.tasks.send_receipt"),
        ("JC301", "A", "shop.tasks.capture_payment"),
    ]
    assert result.parseoutcomes()["passed"] >= 40
    assert not [line for line in result.outlines if line.startswith(("JC942", "JC943"))]
    assert re.search(r"^Celery: \d+ of \d+ tests execute tasks", result.stdout.str(), re.MULTILINE)


@pytest.mark.thorough
def test_a_payment_whose_answer_gets_lost_is_made_twice(pytester: pytest.Pytester) -> None:
    pytester.copy_example(str(SHOP))
    off = ("-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", ".")
    replay = ("--jobchaos-only", "shop.tasks.capture_payment", "--jobchaos-replay", "A2!lost A")
    result = pytester.runpytest_subprocess(*off, *replay, "tests/test_payments.py::test_capturing_charges")
    assert causes(result) == [("JC501", "A", "shop.tasks.capture_payment")]
    result.stdout.fnmatch_lines(["*delivered again because an answer got lost, it repeats what others have received*"])


def test_without_a_job_system_nothing_is_loaded(pytester: pytest.Pytester) -> None:
    check = (
        "import sys\ndef test(): assert not {'jobchaos.suite.director', 'jobchaos.probes.base'} & set(sys.modules)\n"
    )
    pytester.makepyfile(test_it=check)
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "--jobchaos").assert_outcomes(passed=1)
