"""A Django site with tasks, in a process that may have been told of another one already."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import django
from django.conf import settings

DATABASE = "JOBCHAOS_TEST_BROKER"
BACKEND = "database"
INSTALLED = importlib.util.find_spec("django_tasks_db") is not None
PACKAGES = {"django_tasks": "default", "django.tasks": "own"}
"""The backport and what Django has from version 6 on, and the names of their backends."""


def ready() -> Any:
    """Set the site up, unless somebody else has; return the package of tasks."""
    if not settings.configured:
        tasks = {
            name: {"BACKEND": f"{package}.backends.immediate.ImmediateBackend"} for package, name in PACKAGES.items()
        }
        if INSTALLED:
            tasks[BACKEND] = {"BACKEND": "django_tasks_db.DatabaseBackend"}
        settings.configure(
            TASKS=tasks,
            USE_TZ=True,
            INSTALLED_APPS=["django_tasks", *(["django_tasks_db"] if INSTALLED else [])],
            DATABASES={
                "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get(DATABASE, ":memory:")}
            },
        )
        django.setup()
    return importlib.import_module("django_tasks")
