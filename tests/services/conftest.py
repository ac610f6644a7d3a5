"""A house for each test, on a database file of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.house import House
from tests.support import databases

# The store syncs each commit to the disk, which these tests need not wait for.
_IN_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def migrated() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        yield databases.put(Path(folder) / "migrated.sqlite")


@pytest.fixture
def build(migrated: Path) -> Iterator[Callable[..., House]]:
    """Builds houses; each has a database of its own."""
    built: list[House] = []

    def new_house(**how: Any) -> House:
        path = migrated.with_name(f"house-{len(built)}.sqlite")
        path.unlink(missing_ok=True)
        shutil.copy(migrated, path)
        built.append(House(f"sqlite:///{path}", **how))
        return built[-1]

    yield new_house
    for each in built:
        each.store.close()
    for path in migrated.parent.glob("house-*"):
        path.unlink()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()
