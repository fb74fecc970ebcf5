"""Having jobchaos installed costs users nothing who do not use it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("hypothesis", "freezegun", "sqlite3", "sqlalchemy", "smtplib", "http.client", "jinja2", "asyncio", "email")


def newly_imported(statement: str) -> set[str]:
    """Modules that a statement loads in a fresh interpreter that has pytest."""
    code = f"import sys, pytest; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    loaded = newly_imported("import jobchaos.pytest_plugin.plugin")
    assert "jobchaos.pytest_plugin.plugin" in loaded
    assert not loaded & set(HEAVY)
    assert len(loaded) <= 8, loaded


def test_importing_the_package_imports_only_itself() -> None:
    assert newly_imported("import jobchaos") == {"jobchaos"}


def test_a_fake_clock_loads_nothing_of_a_check() -> None:
    """Freezegun looks at each name of each module, and would load what the package loads when it is asked for."""
    loaded = newly_imported("import jobchaos; context = jobchaos.FakeClock().running(0); context.__enter__()")
    assert "jobchaos.company" in loaded
    assert not loaded & {"hypothesis", "jobchaos.checking", "jobchaos.explore.strategies"}


def test_every_public_name_is_there() -> None:
    import jobchaos

    for name in jobchaos.__all__:
        assert getattr(jobchaos, name) is not None
    assert set(jobchaos.__all__) <= set(dir(jobchaos))
    assert jobchaos.__version__.count(".") == 2


def test_an_unknown_name_is_an_attribute_error() -> None:
    import jobchaos

    assert not hasattr(jobchaos, "run_thrice")
