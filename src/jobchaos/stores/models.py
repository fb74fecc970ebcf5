"""The models of all ORMs that are there. Each has a file that gives its own, and imports nothing for that."""

from __future__ import annotations

from collections.abc import Iterator

from jobchaos.core.model import Model
from jobchaos.stores.django_models import django_models
from jobchaos.stores.sqlalchemy_models import sqlalchemy_models

_SOURCES = (django_models, sqlalchemy_models)


def known_models() -> Iterator[Model]:
    """Those that are known by now."""
    for source in _SOURCES:
        yield from source()
