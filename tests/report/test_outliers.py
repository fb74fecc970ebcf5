"""A job that is much larger than the others of its session."""

from __future__ import annotations

from typing import Any

from jobchaos.report.outliers import outliers


def rows(**sizes: int) -> list[dict[str, Any]]:
    return [{"job": f"{name}({number})", "effects": size} for number, (name, size) in enumerate(sizes.items())]


def test_a_job_of_ten_times_the_median_is_named() -> None:
    (line,) = outliers(rows(a=4, b=6, c=5, d=5, mails_all=60))
    assert line.startswith("JC718 advice: mails_all has 60 effects, the median of the session's 5 jobs is 5.")


def test_others_are_not() -> None:
    assert outliers(rows(a=4, b=6, c=5, d=5, e=49)) == []  # small enough in itself
    assert outliers(rows(a=40, b=60, c=50, d=50, e=200)) == []  # not so much larger
    assert outliers(rows(a=4, b=6, c=5, mails_all=60)) == []  # too few to compare with
    assert outliers([]) == []


def test_a_job_counts_once_however_often_it_is_checked() -> None:
    many = [{"job": f"small({number})", "effects": 5} for number in range(9)]
    assert outliers([*many, {"job": "large(1)", "effects": 60}]) == []
