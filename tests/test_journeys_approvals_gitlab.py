"""Approvals on GitLab: the journeys of test_journeys_approvals.py, on real processes."""

from __future__ import annotations

import pytest

from tests.test_journeys_approvals import *  # noqa: F403  the very same

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kind() -> str:
    return "gitlab"
