"""The main job on GitLab: the journeys of test_journeys.py on its REST API and its signed webhooks."""

from __future__ import annotations

import pytest

from tests.test_journeys import *  # noqa: F403  the very same

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kind() -> str:
    return "gitlab"
