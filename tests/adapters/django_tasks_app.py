"""A Django site's tasks, and its management commands: `python -m tests.adapters.django_tasks_app db_worker`."""

from __future__ import annotations

import sys
from typing import Any

from tests.adapters import django_site, steps

django_tasks = django_site.ready()


def run(order: str) -> None:
    """Three steps."""
    steps.run(order)


def fail(order: str) -> None:
    """One step, and a failure."""
    steps.fail(order)


def tasks() -> dict[str, Any]:
    """The tasks, by name."""
    made = django_tasks.task(backend=django_site.BACKEND)
    return {"run": made(run), "fail": made(fail)}


if __name__ == "__main__":
    from django.core.management import call_command, execute_from_command_line

    from tests.adapters import django_tasks_app as site  # a worker finds tasks by the name of their module

    site.run, site.fail = site.tasks()["run"], site.tasks()["fail"]
    if sys.argv[1] == "enqueue":
        call_command("migrate", verbosity=0)
        getattr(site, sys.argv[2]).enqueue(sys.argv[3])
    else:
        execute_from_command_line(sys.argv)
