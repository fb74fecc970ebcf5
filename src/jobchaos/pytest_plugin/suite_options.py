"""Options of zero-change mode."""

from __future__ import annotations

import pytest


def add(parser: pytest.Parser) -> None:
    """Declare them."""
    group = parser.getgroup("jobchaos")
    group.addoption(
        "--jobchaos-only",
        metavar="TASK",
        dest="jobchaos_only",
        help="replay only tasks of this name or pattern that the suite executes; name#2: the second one in each test",
    )
    group.addoption(
        "--jobchaos-budget",
        metavar="TIME",
        dest="jobchaos_budget",
        help="how long to replay tasks that the suite executes, the most promising first: 30s, 5m",
    )
    parser.addini(
        "jobchaos_idempotent",
        "effects that mean the same when repeated, one a line: POST https://crm.example/* or task_pattern: mail",
        type="linelist",
    )
    parser.addini(
        "jobchaos_tasks",
        "plain functions that are tasks of RQ, arq or APScheduler, though nothing in the suite sends them: shop.jobs.*",
        type="linelist",
    )


def wanted(config: pytest.Config) -> bool:
    """True if the tasks that the suite itself executes are to be replayed.

    Raises:
        pytest.UsageError: For a bad budget, or one without anything to spend it on.
    """
    is_on = bool(config.getoption("jobchaos") or config.getoption("jobchaos_only"))
    text = config.getoption("jobchaos_budget")
    if text:
        if budget(config) is None:
            raise pytest.UsageError(f"--jobchaos-budget takes a time such as 30s or 5m, got {text!r}")
        if not is_on:
            raise pytest.UsageError("--jobchaos-budget limits what --jobchaos replays; give that, too")
    return is_on


def named(config: pytest.Config) -> list[str]:
    """Patterns of functions that are tasks though nothing in the suite may say so; a replay names one, too."""
    only = (config.getoption("jobchaos_only") or "").partition("#")[0]
    is_name = only and not set(only) & set("*?[") and config.getoption("jobchaos_replay")
    return [*config.getini("jobchaos_tasks"), *([only] if is_name else [])]


def budget(config: pytest.Config) -> float | None:
    """Seconds to spend on replays; None for as long as it takes.

    Raises:
        pytest.UsageError: If it cannot be read.
    """
    text = config.getoption("jobchaos_budget")
    if not text:
        return None
    from jobchaos.core.budget import Budget
    from jobchaos.errors import UsageError

    try:
        return Budget.parse(text, 0).seconds
    except UsageError as error:
        raise pytest.UsageError(f"--jobchaos-budget: {error}") from None
