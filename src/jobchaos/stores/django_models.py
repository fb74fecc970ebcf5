"""The models of the installed Django apps, those behind many-to-many fields included."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from jobchaos.core.model import Model


def django_models() -> Iterator[Model]:
    """Each with the columns of its own table; none if the project's apps are not loaded."""
    registry = sys.modules.get("django.apps")
    if registry is None or not registry.apps.models_ready:
        return
    for model in registry.apps.get_models(include_auto_created=True):
        meta = model._meta  # noqa: SLF001 - public, whatever its name: docs.djangoproject.com/en/5.2/ref/models/meta
        if not meta.proxy:
            columns = frozenset(field.column for field in meta.local_concrete_fields)
            yield Model(meta.label, meta.db_table, columns)
