"""The house checks itself: sizes, names, catch-alls, ports, jobs, templates, and what tests may not do."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

import bot
from bot.services import ports

ROOT = Path(__file__).parents[1]
BOT = Path(bot.__file__).parent
MODULES = sorted(BOT.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MIGRATIONS = BOT / "store" / "migrations" / "versions"

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 55
MOST_METHODS_OF_A_PORT = 7

# Names that say nothing of what is in a module; whatever would go there has a room that it belongs to.
SAYING_NOTHING = {"utils", "util", "helpers", "helper", "common", "core", "misc", "shared", "base", "tools"}

# Where everything is caught, and why nothing less will do. Three at most.
CATCH_ALLS = {
    "bot/services/deliveries/intake.py": "a delivery that we fail at is kept with its error and tried again",
    "bot/services/execution/advance.py": "our own mistake must not leave a run pending for ever (promise 3)",
    "bot/web/hooks.py": "a delivery that could not be stored must not look delivered (promise 3)",
}
CHILDREN_OF_A_FORK = {
    "bot/terraform/sandbox/supervisor.py": "a forked child must not go back into what its parent was doing",
}

MACHINE_PATHS = re.compile(r"(?<![\w.:{}$~/])/(?:work|home/\w+|Users/\w+|root)/\w")
REGISTRIES = re.compile(
    r"\b(?:pypi[.]org|pythonhosted[.]org|registry[.]npmjs[.]org|artifactory[.]|nexus[.]|devpi[.])|--(?:extra-)?index[-]url",
    re.IGNORECASE,
)
STOPWATCHES = {f"time.{name}{ns}" for name in ("monotonic", "perf_counter", "time") for ns in ("", "_ns")}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def called(node: ast.AST) -> frozenset[str]:
    """The bare names of everything that is called within a node."""
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    names = (f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls)
    return frozenset(names)


def kept_files() -> list[Path]:
    """Every file that is tracked, or would be with the next `git add`."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no Git working tree")
    found = (ROOT / name for name in done.stdout.split("\0") if name)
    return [path for path in dict.fromkeys(found) if path.is_file()]


# --- modules ------------------------------------------------------------------------------------------------


def test_modules_stay_short_enough_to_be_read_in_one_go() -> None:
    lines = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_functions_stay_short_enough_to_be_seen_at_once() -> None:
    # A migration is a list of tables and columns: it has no logic that a split would make clearer.
    long = {
        f"{name_of(path)}:{function.name}": size
        for path in MODULES
        if path.parent != MIGRATIONS
        for function in functions(parsed(path))
        if (size := (function.end_lineno or 0) - function.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_each_module_says_what_it_is_for_in_words_of_its_own() -> None:
    said: dict[str, list[str]] = {}
    for path in MODULES:
        said.setdefault(ast.get_docstring(parsed(path)) or "", []).append(name_of(path))
    assert said.get("", []) == []
    assert [names for names in said.values() if len(names) > 1] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {path: path.relative_to(BOT).with_suffix("").parts for path in MODULES}
    named = [path for path in MODULES if {part.lstrip("_") for part in parts[path]} & SAYING_NOTHING]
    assert named == []


# Public classes that share a name, and why. Every other name means one thing.
SHARED_NAMES = {
    **dict.fromkeys(
        (
            "Api",
            "Answer",
            "History",
            "HookLog",
            "Merges",
            "NotAllowed",
            "Reviews",
            "TokenLogin",
            "Unprocessable",
        ),
        "GitHub's and GitLab's client have the same parts",
    ),
    **dict.fromkeys(
        (
            "Delivery",
            "Event",
            "Forge",
            "ForgeError",
            "Group",
            "Hook",
            "MergeQueue",
            "Person",
            "Reaction",
            "Review",
            "Role",
            "Shapes",
            "Stage",
            "Version",
            "Git",
            "Addresses",
        ),
        "the playground and the demo are a forge of their own",
    ),
    **dict.fromkeys(
        ("Action", "Change", "Mode", "ResourceChange"),
        "the saved plan's model has the names of Terraform's own messages",
    ),
    **dict.fromkeys(
        ("Kind", "Network", "Refused", "Verdict"), "to be renamed: the sandbox and the network use them too"
    ),
    "SandboxMode": "the configuration does not import the sandbox",
    "Services": "the web sees a part of the services, as a protocol",
}


def test_two_public_classes_do_not_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name_of(path))
    shared = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in shared.items() if name not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) - set(shared) == set(), "no longer shared: remove these from the list"


def test_nothing_is_printed_past_the_log_and_the_command_line() -> None:
    assert [name_of(path) for path in MODULES if "print" in _calls_by_name(parsed(path))] == []


def _calls_by_name(tree: ast.AST) -> set[str]:
    calls = (n.func for n in ast.walk(tree) if isinstance(n, ast.Call))
    return {f.id for f in calls if isinstance(f, ast.Name)}


def test_everything_is_caught_in_three_places_at_most_and_each_has_its_reason() -> None:
    found = [name_of(path) for path in MODULES for n in ast.walk(parsed(path)) if _swallows_all(n)]
    assert sorted(found) == sorted([*CATCH_ALLS, *CHILDREN_OF_A_FORK])
    assert len(CATCH_ALLS) <= 3


def _swallows_all(node: ast.AST) -> bool:
    """Whether a handler takes whatever comes and does not hand it on when it has cleaned up."""
    if not isinstance(node, ast.ExceptHandler) or (isinstance(node.body[-1], ast.Raise)):
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        each is None or (isinstance(each, ast.Name) and each.id in ("Exception", "BaseException"))
        for each in caught
    )


# --- runs ---------------------------------------------------------------------------------------------------

# The one module that creates and saves runs: what follows from a change is noted there, and nowhere else.
CHANGES_RUNS = "bot/services/runs/transitions.py"


def test_a_run_is_created_and_saved_in_one_module() -> None:
    found = {
        (name_of(path), name)
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and (name := _saving_a_run(node))
    }
    assert found == {(CHANGES_RUNS, "runs.add"), (CHANGES_RUNS, "runs.save")}


def _saving_a_run(node: ast.Attribute) -> str:
    """Which of the two ways into the table of runs this is, called or handed on; empty for neither."""
    owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    return f"runs.{node.attr}" if owner == "runs" and node.attr in ("add", "save") else ""


def test_a_new_run_is_fixed_to_its_variables_where_it_is_created() -> None:
    found = [name_of(path) for path in MODULES if "fix_variables" in called(parsed(path))]
    assert found == [CHANGES_RUNS]


# --- ports and jobs -----------------------------------------------------------------------------------------

PORTS = {
    name: port
    for name in ports.__all__
    if isinstance(port := getattr(ports, name), type) and Protocol in port.__bases__
}


def own_methods(port: type) -> list[str]:
    """What a port itself asks for; handing out another port, which is counted by itself, is little."""
    return [name for name, member in vars(port).items() if not name.startswith("_") and _asks(member)]


def _asks(member: object) -> bool:
    if isinstance(member, property):
        return member.fget is None or member.fget.__annotations__.get("return") not in PORTS
    return inspect.isfunction(member)


def test_ports_are_found_where_this_file_looks_for_them() -> None:
    assert {"ForgeReader", "ForgeWriter", "Engine", "Store", "Dispatch", "Vault", "Clock"} <= set(PORTS)


@pytest.mark.parametrize("name", sorted(PORTS))
def test_a_port_asks_for_little(name: str) -> None:
    assert len(own_methods(PORTS[name])) <= MOST_METHODS_OF_A_PORT


def job_names() -> list[str]:
    texts = (
        n.value for n in ast.walk(parsed(BOT / "dispatch" / "__init__.py")) if isinstance(n, ast.Constant)
    )
    return sorted({t for t in texts if isinstance(t, str) and re.fullmatch(r"bot(\.\w+)+", t)})


def test_every_job_that_is_called_by_name_is_there_and_takes_an_id_alone() -> None:
    names = job_names()
    assert {"bot.jobs.receive", "bot.jobs.advance", "bot.jobs.report", "bot.jobs.sweep"} <= set(names)
    for dotted in names:
        module, _, function = dotted.rpartition(".")
        job = getattr(importlib.import_module(module), function)
        parameters = inspect.signature(job).parameters.values()
        assert [p.annotation for p in parameters] in ([], ["str"]), f"{dotted} takes more than an id"


# --- templates ----------------------------------------------------------------------------------------------


def templates() -> list[Path]:
    return sorted(p for p in (ROOT / "templates").rglob("*") if p.is_file() and p.name != ".keep")


@pytest.mark.parametrize("template", templates(), ids=name_of)
def test_every_template_is_used(template: Path) -> None:
    code = [path.read_text() for path in MODULES]
    others = [path.read_text() for path in templates() if path != template]
    names = (f'"{template.name}"', f'"{template.parent.name}/{template.name}"')
    users = [text for text in (*code, *others) for name in names if name in text]
    assert users, f"nothing renders, extends or includes {name_of(template)}"


# --- tests --------------------------------------------------------------------------------------------------


def test_tests_hold_real_things_and_fakes_but_no_mocks() -> None:
    mocking = []
    for path in TESTS:
        for node in ast.walk(parsed(path)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{a.name}" for a in node.names]
            mocking += [name_of(path) for m in modules if re.match(r"(unittest\.)?mock\b|pytest_mock\b", m)]
    assert mocking == []


def test_no_test_asserts_how_long_something_took() -> None:
    timed = [
        f"{name_of(path)}:{found.lineno}"
        for path in TESTS
        for function in functions(parsed(path))
        for found in ast.walk(function)
        if isinstance(found, ast.Assert) and _measures(found.test, _stopwatches(function))
    ]
    assert timed == []


def _stopwatches(function: ast.AST) -> set[str]:
    """The names that hold a reading of a clock, or the difference of two."""
    held: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _measures(node.value, held):
            held |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return held


def _measures(node: ast.AST, held: set[str]) -> bool:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id in held:
            return True
        if isinstance(each, ast.Call) and ast.unparse(each.func) in STOPWATCHES:
            return True
    return False


def test_every_test_can_fail() -> None:
    asserting = _asserting_functions()
    idle = [
        f"{name_of(path)}:{function.name}"
        for path in TESTS
        if path.name.startswith("test_")
        for function in functions(parsed(path))
        if function.name.startswith("test_") and not (_asserts(function) or called(function) & asserting)
    ]
    assert idle == []


def test_no_assertion_is_true_whatever_happens() -> None:
    constant = [
        f"{name_of(path)}:{node.lineno}"
        for path in TESTS
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant | ast.Tuple) and _truthy(node)
    ]
    assert constant == []


def _truthy(node: ast.Assert) -> bool:
    return bool(node.test.value) if isinstance(node.test, ast.Constant) else True


def _asserts(function: ast.AST) -> bool:
    return any(isinstance(n, ast.Assert | ast.Raise) for n in ast.walk(function)) or bool(
        called(function) & {"raises", "fail", "warns", "check_call", "raise_for_status"}
    )


def _asserting_functions() -> set[str]:
    """The functions among the tests that assert, or call one that does."""
    known = [function for path in TESTS for function in functions(parsed(path))]
    asserting = {function.name for function in known if _asserts(function)}
    while more := {f.name for f in known if f.name not in asserting and called(f) & asserting}:
        asserting |= more
    return asserting


def test_folders_of_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


# --- what the project says of itself ------------------------------------------------------------------------


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert _lines_with(MACHINE_PATHS) == []


def test_no_file_names_where_packages_come_from() -> None:
    assert _lines_with(REGISTRIES) == []


def test_locks_name_packages_and_hashes_and_no_address() -> None:
    for lock in sorted(ROOT.glob("requirements*.lock")):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text, f"{lock.name} says where its packages came from"


def _lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in kept_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line) and "tests/payloads/" not in name_of(path):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    return found
