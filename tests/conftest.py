"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before the first of them is imported: otherwise a failed assertion of theirs says nothing of the values.
pytest.register_assert_rewrite("tests.support", "tests.fakes")

from tests.support.journeys import Journey  # noqa: E402 -- see above
from tests.support.stores import Stores, kept_stores  # noqa: E402 -- see above

# How long an example takes says more about the machine than about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are processors: the longest tests mostly wait for other processes."""
    return max(2, (os.cpu_count() or 1) * 2)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --soak, without which tests marked `soak` are left out, and the options of the chaos test."""
    parser.addoption("--soak", action="store_true", help="also run the tests that take minutes (make soak)")
    parser.addoption("--chaos-minutes", type=float, default=20.0, help="how long the long chaos test lasts")
    parser.addoption("--chaos-seed", type=int, help="what the chaos test's random choices come from")


def pytest_configure(config: pytest.Config) -> None:
    """Say how many random sequences the models of runs play: some, and many with --soak."""
    settings.register_profile(
        "sequences", parent=settings(), max_examples=100 if config.getoption("--soak") else 5
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked `soak` unless --soak is given. Begin with the files that take longest.

    Otherwise one worker would still be busy with such a file when the others have nothing left to do.
    """
    longest = {item.path for item in items if item.get_closest_marker("soak")}
    long = {item.path for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: (item.path not in longest, item.path not in long))
    if not config.getoption("--soak"):
        left_out = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Stores on SQLite, for one test after another."""
    with kept_stores() as kept:
        yield kept


@pytest.fixture(scope="module")
def kind() -> str:
    """As which forge a module's journeys use the playground."""
    return "github"


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """Real processes for a module's journeys: forge, Valkey, web, two workers."""
    with Journey(tmp_path_factory.mktemp("journey"), kind=kind) as found:
        yield found


@pytest.fixture
def stage_folder(tmp_path: Path) -> Path:
    """A folder for a stage of a test's own."""
    return tmp_path / "stage"
