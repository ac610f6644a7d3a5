"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.journeys import Journey

# How long an example takes says more about the machine than about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: the longest tests mostly wait for other processes."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one of them in the end."""
    long = {item.path for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: item.path not in long)


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
