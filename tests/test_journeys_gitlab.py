"""The main job on GitLab: the journeys of test_journeys.py on its REST API and its signed webhooks.

A choice of them, for each runs real Terraform; what they leave out does not differ by forge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.journeys import Journey, resource
from tests.test_journeys import (
    _previews,
    _pull_on_quiet_main,
    test_a_pull_request_is_planned_applied_by_a_comment_and_merged,
    test_a_push_to_the_branch_plans_waits_and_applies_when_it_is_confirmed,
    test_a_reader_is_refused_with_the_reason_and_nothing_runs,
    test_another_plan_than_the_one_shown_stops_and_asks_again,
    test_new_commits_are_planned_anew_in_the_same_comment,
)

__all__ = [
    "test_a_pull_request_is_planned_applied_by_a_comment_and_merged",
    "test_a_push_to_the_branch_plans_waits_and_applies_when_it_is_confirmed",
    "test_a_reader_is_refused_with_the_reason_and_nothing_runs",
    "test_another_plan_than_the_one_shown_stops_and_asks_again",
    "test_new_commits_are_planned_anew_in_the_same_comment",
]
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """The same real processes, and a playground that is used as GitLab."""
    with Journey(tmp_path_factory.mktemp("gitlab"), kind="gitlab") as found:
        yield found


def test_a_repeated_delivery_does_nothing_and_one_without_its_signature_is_turned_away(
    journey: Journey,
) -> None:
    repo = journey.repo()
    _, sha = _pull_on_quiet_main(journey, repo, "repeat", {"net/main.tf": resource("net", "two")})
    repo.settled(sha)
    headers = {"Authorization": f"Bearer {journey.stage.admin_token}"}
    forge = f"{journey.stage.forge_url}/playground"
    log = httpx.get(f"{forge}/deliveries", headers=headers).json()
    opened = next(d for d in log if d["event"] == "Merge Request Hook" and sha in json.dumps(d["payload"]))
    assert opened["status"] == 202
    before = _previews(journey, repo.short)

    httpx.post(f"{forge}/deliveries/{opened['id']}/attempts", headers=headers).raise_for_status()

    def answered() -> int | None:
        log = httpx.get(f"{forge}/deliveries", headers=headers).json()
        again = [d for d in log if d["id"] == opened["id"] and d["redelivery"]]
        return again[0]["status"] if again and again[0]["status"] else None

    assert journey.until(answered, "the answer to the repeat") == 200
    assert _previews(journey, repo.short) == before

    forged = httpx.post(
        f"{journey.stage.url}/hooks/gitlab",
        content=json.dumps(opened["payload"]),
        headers={
            "X-Gitlab-Event": "Merge Request Hook",
            "Idempotency-Key": "forged",
            # What the signature is made with is no token to be let in by.
            "X-Gitlab-Token": journey.stage.webhook_secret,
        },
    )
    assert forged.status_code == 401
    with journey.services.store.reading() as tx:
        assert "forged" not in {d.id for d in tx.deliveries.recent(500)}


def test_what_leads_to_nothing_is_taken_in_and_says_why(journey: Journey) -> None:
    repo = journey.repo()
    number, sha = _pull_on_quiet_main(journey, repo, "quiet", {"README.md": "Words.\n"})
    done = repo.settled(sha)
    assert (done["state"], done["description"]) == ("success", "No workspace is affected")
    journey.ana.comment(repo.name, number, "Just talking.")
    reason = "the comment has no command for Plangate"

    def said() -> bool | None:
        with journey.services.store.reading() as tx:
            found = [d for d in tx.deliveries.recent(100) if d.event == "Note Hook" and d.handled_at]
        return any(d.get("reason") == reason for one in found for d in one.decisions) or None

    assert journey.until(said, "why nothing was done")


def test_a_forks_merge_request_waits_for_somebody_and_pages_speak_of_merge_requests(
    journey: Journey,
) -> None:
    repo = journey.repo()
    journey.ana.push(repo.tree, "main")
    journey.stage.admin("POST", f"/repos/{repo.name}/forks", {"owner": "eve"})
    fork = f"eve/{repo.short}"
    tree = journey.eve.clone(fork, journey.stage.root / "fork")
    journey.eve.git(tree, "checkout", "-q", "-b", "offer")
    sha = journey.eve.commit(tree, "Offer", {"net/main.tf": resource("net", "two")})
    journey.eve.push(tree, "offer")
    target = journey.eve.api("GET", f"/projects/{repo.name.replace('/', '%2F')}")["id"]
    wanted = {"title": "Offer", "source_branch": "offer", "target_branch": "main"}
    made = journey.eve.api(
        "POST",
        f"/projects/{fork.replace('/', '%2F')}/merge_requests",
        {**wanted, "target_project_id": target},
    )
    number = int(made["iid"])
    waiting = repo.words(sha, "plangate", "A change from a fork")
    assert waiting["state"] == "pending"

    # Promise 5: only now, when somebody with write access says so.
    journey.ben.comment(repo.name, number, "/plan")
    planned = repo.settled(sha, f"plangate/{repo.short}-net/plan", "success")
    with httpx.Client(follow_redirects=True) as browser:
        form = browser.get(planned["target_url"])
        password = journey.stage.sign_in_address().partition("#")[2]
        page = browser.post(form.url, data={"password": password, "next": form.url.params["next"]})
    for words in (
        "Merge request",
        f"!{number}",
        f"{repo.name}/-/merge_requests/{number}",
        f"/-/commit/{sha}",
    ):
        assert words in page.text
    assert "Pull request" not in page.text
