"""Forecasts on GitLab: the journeys of test_journeys_forecast.py, on real processes."""

from __future__ import annotations

import pytest

from tests.test_journeys_forecast import *  # noqa: F403  the very same

# The client of GitLab keeps the same contract as that of GitHub, and test_journeys_gitlab.py always runs.
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def kind() -> str:
    return "gitlab"
