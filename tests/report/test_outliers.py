"""A job that is much larger than the others of its session, or takes much longer."""

from __future__ import annotations

from typing import Any

from jobchaos.core.hang import SECOND
from jobchaos.report.outliers import outliers


def rows(**sizes: int) -> list[dict[str, Any]]:
    return [row(f"{name}({number})", effects=size) for number, (name, size) in enumerate(sizes.items())]


def row(job: str, effects: int = 1, duration: int = 0) -> dict[str, Any]:
    return {"job": job, "effects": effects, "duration": duration}


def test_a_job_of_ten_times_the_median_is_named() -> None:
    (line,) = outliers(rows(a=4, b=6, c=5, d=5, mails_all=60))
    assert line.startswith("JC718 advice: mails_all has 60 effects, the median of the session's 5 jobs is 5 effects.")


def test_others_are_not() -> None:
    assert outliers(rows(a=4, b=6, c=5, d=5, e=49)) == []  # small enough in itself
    assert outliers(rows(a=40, b=60, c=50, d=50, e=200)) == []  # not so much larger
    assert outliers(rows(a=4, b=6, c=5, mails_all=60)) == []  # too few to compare with
    assert outliers([]) == []


def test_a_job_counts_once_however_often_it_is_checked() -> None:
    many = [row(f"small({number})", effects=5) for number in range(9)]
    assert outliers([*many, row("large(1)", effects=60)]) == []


def test_a_job_that_takes_ten_times_the_median_is_named() -> None:
    usual = [row(f"job_{number}()", duration=number * SECOND) for number in range(1, 5)]
    (line,) = outliers([*usual, row("mails_all(1)", duration=30 * SECOND)])
    assert line.startswith("JC718 advice: mails_all takes 30 s, the median of the session's 5 jobs is 3 s.")
    assert outliers([*usual, row("mails_all(1)", duration=29 * SECOND)]) == []
    assert outliers([*(row(f"job_{number}()") for number in range(4)), row("waits()", duration=9 * SECOND)]) == []
