"""The Celery app of the conformance tests, configured by the environment; for real workers, and for our simulation."""

from __future__ import annotations

import json
import os
from typing import Any

import celery

from tests.adapters import steps


def make(broker: str, conf: dict[str, Any]) -> Any:
    """An app of its own, with the two tasks."""
    app = celery.Celery("conformance", broker=broker)
    app.conf.update(conf, broker_connection_retry_on_startup=True)
    app.task(steps.run, name="run", shared=False)
    options: dict[str, Any] = {"autoretry_for": (ConnectionError,), "max_retries": 3, "retry_kwargs": {"countdown": 0}}
    app.task(steps.fail, name="fail", shared=False, **options)
    return app


app = make(os.environ.get("JOBCHAOS_TEST_BROKER", "memory://"), json.loads(os.environ.get("JOBCHAOS_TEST_CONF", "{}")))
