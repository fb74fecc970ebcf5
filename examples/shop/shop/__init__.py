"""A small shop on Django and Celery, with a suite of ordinary tests."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
