"""The structure of the package: which way imports point, how large things are, who knows whom, who has a contract."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jobchaos
import jobchaos.probes
import jobchaos.stores
from jobchaos.conformance import LedgerContract, ProbeContract, StoreContract
from jobchaos.probes.base import BaseProbe
from jobchaos.stores.base import BaseStore

ROOT = Path(jobchaos.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

SIBLINGS = {"explore", "engine", "oracle", "probes", "stores", "clock", "adapters", "report", "servers"}
"""Packages in the middle: they know `core`, and not each other."""
COMPOSITION = {"conformance", "suite"} | (
    {module.stem for module in ROOT.glob("*.py")} - {"__init__", "errors", "conftest_template"}
)
"""Modules that put the middle together, without pytest."""
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40

TESTS = Path(__file__).parent
WITHOUT_A_STATE = {
    *("DjangoTables", "SQLAlchemyTables", "ServerTables", "RedisKeys"),  # a suite's own fixtures restore it
    "CacheStore",  # nobody compares it
}
"""Stores that need not do what a contract tests."""
WITHOUT_LASTING_EFFECTS = {
    *("EntropyProbe", "EventLoopProbe", "HeldClockProbe", "JitterProbe", "SleepProbe"),  # time and chance
    *(
        "FileLockProbe",
        "HueyLimitProbe",
        "HueyLockProbe",
        "LockProbe",
        "SelectProbe",
        "SocketProbe",
        "SubprocessProbe",
    ),  # waiting
    *("TransportProbe", "WaitProbe"),
    *("CeleryResultsProbe", "DjangoMailFileProbe", "LogProbe"),  # what would differ from run to run
    *("LineProbe", "RedFlagProbe", "SpawnProbe", "UnwatchedProbe", "Bindings"),  # what is looked at besides
    *("DjangoStatementProbe", "SQLAlchemyStatementProbe"),  # statements of suites, which run one after the other
    *("SQLAlchemySessionProbe",),  # what dies with a worker
    *("PsycopgOnlooker", "Psycopg2Onlooker", "PyMySQLOnlooker", "MySQLClientOnlooker", "RedisOnlooker"),
}
"""Probes which have none that a contract could count."""

TOP_LEVEL = {
    *("pyproject.toml", "README.md", "src", "tests", "examples", "conftest_template.py"),
    *(".ci", ".gitignore", "docs", "benchmarks", "LICENSE", "CHANGELOG.md"),
}
TEMPLATE = ROOT / "conftest_template.py"  # not a module of ours: what `--jobchaos-init` writes


def part(module: Path) -> str:
    """The package or module right under `jobchaos` that a file belongs to."""
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module's full name, and whether it is only for type checkers."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name} has a relative import"
            yield from ((f"{node.module}.{alias.name}", id(node) in for_types) for alias in node.names)


def allowed(importer: str) -> set[str]:
    """The parts of jobchaos that a part may import."""
    if importer == "errors":
        return {"core"}
    if importer == "core":
        return {"core", "errors"}
    if importer in SIBLINGS:
        return {"core", "errors", importer}
    if importer in COMPOSITION:
        return {"core", "errors", *SIBLINGS, *COMPOSITION}
    return {"core", "errors", "report", "servers", *COMPOSITION, importer}


def named(modules: list[Path]) -> list[str]:
    return [str(module.relative_to(ROOT)) for module in modules]


@pytest.mark.parametrize("module", MODULES, ids=named(MODULES))
def test_imports_point_one_way(module: Path) -> None:
    importer = part(module)
    if importer == "__init__":
        return  # gives every public name, lazily
    for name, _ in imports(module):
        if name.startswith("jobchaos."):
            assert name.split(".")[1] in allowed(importer), f"{importer} imports {name}"


def test_every_part_has_its_place() -> None:
    known = {"__init__", "errors", "core", "pytest_plugin", *SIBLINGS, *COMPOSITION}
    assert {part(module) for module in MODULES if module != TEMPLATE} <= known


@pytest.mark.parametrize("module", MODULES, ids=named(MODULES))
def test_frameworks_are_known_in_one_place_each(module: Path) -> None:
    homes: dict[str, str | tuple[str, ...]] = {
        "pytest": "pytest_plugin/",
        "_pytest": "pytest_plugin/",
        "hypothesis": "explore/strategies.py",
    }
    homes |= {
        "freezegun": "clock/",
        "jinja2": "report/html_report.py",
        "sqlalchemy": ("probes/sqlalchemy", "stores/sqlalchemy"),
    }
    homes["aiosmtplib"] = "probes/aiosmtplib.py"
    homes["aiosqlite"] = "probes/aiosqlite.py"
    homes["django"] = ("probes/django", "stores/django")
    homes |= {"httpx": "probes/httpx.py", "httpcore": "probes/httpx.py", "aiohttp": "probes/aiohttp.py"}
    homes |= {"requests": "probes/requests.py", "requests_mock": "probes/requests.py"}
    homes |= {"moto": "probes/moto.py", "botocore": "probes/moto.py"}
    if module == TEMPLATE:
        return
    path = module.relative_to(ROOT).as_posix()
    for name, _ in imports(module):
        home = homes.get(name.partition(".")[0])
        assert home is None or path.startswith(home), f"{path} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=named(MODULES))
def test_modules_and_functions_are_short(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("module", MODULES, ids=named(MODULES))
def test_public_things_say_what_they_are(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_core_is_pure() -> None:
    effectful = {"os", "io", "pathlib", "socket", "sqlite3", "subprocess", "threading", "time", "random", "logging"}
    for module in sorted((ROOT / "core").glob("*.py")):
        used = {name.partition(".")[0] for name, for_types in imports(module) if not for_types}
        used -= {"io"} if module.name == "contents.py" else set()  # bytes in memory, as files that can be read
        assert not used & effectful, f"{module.name} imports {used & effectful}"


def test_the_top_level_holds_what_belongs_there_and_nothing_else() -> None:
    top = Path(__file__).parent.parent
    if not (top / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-tree", "--name-only", "HEAD"], cwd=top, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"git says: {listed.stderr}")
    assert set(listed.stdout.split()) == TOP_LEVEL


def test_nothing_is_called_utils() -> None:
    assert not [module for module in MODULES if module.stem in ("utils", "helpers", "misc", "common")]


def kinds(package: types.ModuleType, base: type) -> set[str]:
    """The names of all classes of a package below a base that can have instances."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    ours = (kind for kind in _below(base) if kind.__module__.startswith(f"{package.__name__}."))
    return {kind.__name__ for kind in ours if not inspect.isabstract(kind)}


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def with_contracts() -> set[str]:
    """What the classes in our tests are called after that are, by whatever way, contracts."""
    found = set()
    texts = [path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")]
    for text in texts:
        if "Contract" not in text:
            continue
        contracts = {kind.__name__ for kind in (StoreContract, LedgerContract, ProbeContract)}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and contracts & {ast.unparse(base) for base in node.bases}:
                contracts.add(node.name)
        found |= {re.sub("^(Test|Check)", "", name) for name in contracts}
    return found


def test_every_store_has_its_contract() -> None:
    assert kinds(jobchaos.stores, BaseStore) - with_contracts() == WITHOUT_A_STATE


def test_every_probe_has_its_contract() -> None:
    assert kinds(jobchaos.probes, BaseProbe) - with_contracts() == WITHOUT_LASTING_EFFECTS
