"""Merge trains: the journey of test_journeys_queue.py as GitLab has it, on real processes."""

from __future__ import annotations

import pytest

from tests.test_journeys_queue import *  # noqa: F403  the very same

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def kind() -> str:
    return "gitlab"
