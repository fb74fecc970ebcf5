"""Serial orders: all clean runs of different jobs one after the other, which are what is allowed."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Mapping, Sequence

from jobchaos.baseline import Baseline, NoBaselineError, clean_run, establish, failure, volatile_after
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Run, Schedule
from jobchaos.engine.runner import Runner
from jobchaos.engine.world import World
from jobchaos.oracle.serial import named


def establish_orders(
    labels: Mapping[str, str],
    runner: Runner,
    world: World,
    *,
    lines: bool,
    look_closer: Callable[[bool], bool] | None,
) -> tuple[Baseline, tuple[RunResult, ...]]:
    """Run different jobs in every order; the first order until two runs of it agree.

    A job may fail in some orders, as a refund does before its payment: that is what these orders leave.

    Args:
        labels: Letter to the label of its job.
        runner: Runs them.
        world: Their state.
        lines: Whether lines are steps already.
        look_closer: See `establish`.

    Returns:
        The baseline of the first order, with the volatile columns of all; and a run of each order.

    Raises:
        NoBaselineError: As `establish`; and if a job fails in all orders.
    """
    job = " with ".join(labels.values())
    first, *others = (Schedule(tuple(map(Run, order))) for order in itertools.permutations(labels))
    baseline = establish(job, runner, world, lines=lines, look_closer=look_closer, schedule=first)
    orders = (baseline.run, *(clean_run(job, runner, schedule) for schedule in others))
    observations = _failures(labels, orders, runner)
    varying = (volatile_after(run, runner, world) for run in orders[1:])
    volatile = functools.reduce(operator.or_, varying, baseline.volatile)
    baseline = dataclasses.replace(baseline, volatile=volatile, observations=(*baseline.observations, *observations))
    return baseline, orders


def _failures(labels: Mapping[str, str], orders: Sequence[RunResult], runner: Runner) -> list[str]:
    """What to say of jobs that fail in some orders; an error if one does in all."""
    said = []
    for letter, label in labels.items():
        failing = [order for order in orders if not order.copies[letter].completed]
        if not failing:
            continue
        error = failing[-1].copies[letter].error
        if len(failing) == len(orders):
            raise NoBaselineError(
                failure(f"{label} fails in every serial order: {error}", orders[-1], runner), orders[-1]
            )
        said.append(f"{label} fails in {len(failing)} of {len(orders)} serial orders ({named(failing[-1])}: {error})")
    return said
