"""The main job on GitLab, with its REST API and its signed webhooks: some journeys of test_journeys.py.

The others run in test_journeys_gitlab_all.py, with `make soak`.
"""

from __future__ import annotations

import pytest

from tests.test_journeys import (
    test_a_change_that_touches_no_workspace_passes_without_a_comment,
    test_a_pull_request_is_planned_applied_by_a_comment_and_merged,
    test_a_repeated_delivery_does_nothing_and_a_forged_one_is_turned_away,
    test_another_plan_than_the_one_shown_stops_and_asks_again,
)

__all__ = [
    "test_a_change_that_touches_no_workspace_passes_without_a_comment",
    "test_a_pull_request_is_planned_applied_by_a_comment_and_merged",
    "test_a_repeated_delivery_does_nothing_and_a_forged_one_is_turned_away",
    "test_another_plan_than_the_one_shown_stops_and_asks_again",
]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kind() -> str:
    return "gitlab"
