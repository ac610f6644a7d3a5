"""All journeys of the main job on GitLab. Some of them are in every `make test`: test_journeys_gitlab.py."""

from __future__ import annotations

import pytest

from tests.test_journeys import *  # noqa: F403  the very same

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def kind() -> str:
    return "gitlab"
