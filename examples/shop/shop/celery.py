"""The Celery application."""

from celery import Celery

app = Celery("shop", broker="memory://")
app.conf.update(task_always_eager=True, task_eager_propagates=True, broker_connection_retry_on_startup=True)
app.autodiscover_tasks(["shop"])
