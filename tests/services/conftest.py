"""A house for each test, on an empty database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.house import House
from tests.support.stores import KeptStore, Stores


@pytest.fixture
def build(stores: Stores) -> Iterator[Callable[..., House]]:
    """Builds houses; each has a database of its own."""
    taken: list[KeptStore] = []

    def new_house(**how: Any) -> House:
        taken.append(stores.take())
        return House(taken[-1].store, taken[-1].vault, **how)

    yield new_house
    for each in taken:
        stores.give_back(each)


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()
