"""Two SQLite databases, mail and cache in memory: what most projects test with. Or other databases, where told so."""

import json
import os

SECRET_KEY = "test"
USE_TZ = True
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_IN_MEMORY = {alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for alias in ("default", "archive")}
DATABASES = json.loads(os.environ.get("SHOP_DATABASES", "null")) or _IN_MEMORY
