"""The main job on real input: real pushes, real Terraform, real workers, a forge's REST API."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
# How each forge names the event of a change, and headers that somebody else could send.
FORGED = {
    "github": (
        "pull_request",
        {
            "Content-Type": "application/json",
            "X-GitHub-Event": "pull_request",
            "X-GitHub-Delivery": "forged",
            "X-Hub-Signature-256": "sha256=" + "0" * 64,
        },
    ),
    "gitlab": (
        "Merge Request Hook",
        {
            "X-Gitlab-Event": "Merge Request Hook",
            "Idempotency-Key": "forged",
            # What a signature is made with is no token to be let in by.
            "X-Gitlab-Token": "{}",
        },
    ),
}


def test_a_push_to_the_branch_plans_waits_and_applies_when_it_is_confirmed(journey: Journey) -> None:
    repo = journey.repo()
    journey.ana.push(repo.tree, "main")
    sha = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    waiting = repo.settled(sha, f"plangate/{repo.short}-net/apply", "pending")
    assert "Waiting for confirmation" in waiting["description"]

    run = journey.services.controls.confirm(repo.run_of(waiting), ADMIN, "looks right")

    applied = repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")
    assert applied["description"] == "Applied: +1 ~0 -0"
    with journey.services.store.reading() as tx:
        # Once more where another worker applies than planned.
        timeline = [event.kind for event in tx.runs.timeline(run.id) if event.kind != "initialized"]
        state = tx.states.current(run.workspace_id)
        assert state is not None
        kept = json.loads(tx.states.data(state.id))
    assert timeline == [
        "pending", "fetching", "fetching_completed", "plan_queued", "planning", "planned",
        "confirmed", "apply_queued", "applying", "applied",
    ]  # fmt: skip
    assert kept["resources"][0]["name"] == "net"
    assert state.run_id == run.id
    # The other directory's run waits still: each workspace has a queue of its own.
    assert repo.status(sha, "plangate")["state"] == "pending"  # type: ignore[index]


def test_a_pull_request_is_planned_applied_by_a_comment_and_merged(journey: Journey) -> None:
    repo = journey.repo()
    provisioner = '  provisioner "local-exec" {\n    command = ":"\n  }\n'
    runs = resource("net", "two", provisioner)
    number, sha = _pull_on_quiet_main(journey, repo, "two", {"net/main.tf": runs})
    done = repo.settled(sha)
    assert (done["state"], done["description"]) == ("success", "1 workspace planned: +1 ~0 -0")
    shown = repo.comment_with(number, f"/apply {repo.short}-net")
    assert '+   resource "terraform_data" "net"' in shown
    assert '+       input  = "two"' in shown
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in shown
    assert "`terraform_data.net` runs its provisioner `local-exec`" in shown
    assert f"{repo.short}-app" not in shown

    journey.ben.comment(repo.name, number, f"Good.\n\n/apply {repo.short}-net")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")
    outcome = repo.comment_with(number, "Apply complete! Resources: 1 added")
    assert "ben" in outcome
    assert len(repo.bot_comments(number)) == 2

    merged = journey.ana.merge(repo.name, number)
    done = repo.settled(merged, f"plangate/{repo.short}-net/plan", "success")
    assert done["description"] == f"As applied on {journey.stage.words.numbered(number)}"
    # The same files as those that were applied: finished by itself, without Terraform.
    assert repo.status(merged, f"plangate/{repo.short}-net/apply") is None
    with journey.services.store.reading() as tx:
        assert tx.runs.get(repo.run_of(done)).status is RunStatus.PLANNED_AND_FINISHED


@pytest.mark.soak
def test_new_commits_are_planned_anew_in_the_same_comment(journey: Journey) -> None:
    repo = journey.repo()
    number, first = _pull_on_quiet_main(journey, repo, "grow", {"net/main.tf": resource("net", "two")})
    repo.settled(first)
    repo.comment_with(number, first[:7])
    second = repo.push("grow", "More", {"app/main.tf": resource("app", "two")})
    done = repo.settled(second)
    assert done["description"] == "2 workspaces planned: +2 ~0 -0"
    shown = repo.comment_with(number, second[:7])
    assert f"{repo.short}-app" in shown
    assert len(repo.bot_comments(number)) == 1


def test_a_new_commit_with_the_same_files_for_a_workspace_reuses_its_plan(journey: Journey) -> None:
    repo = journey.repo()
    number, sha = _pull_on_quiet_main(journey, repo, "notes", {"net/main.tf": resource("net", "two")})
    first = repo.run_of(repo.settled(sha, f"plangate/{repo.short}-net/plan", "success"))
    newer = repo.push("notes", "Say why", {"docs/notes.md": "Because.\n"})
    done = repo.settled(newer, f"plangate/{repo.short}-net/plan", "success")
    assert done["description"].endswith(f", as planned for {sha[:7]}")
    repo.comment_with(number, f"As planned for {sha[:7]}")
    with journey.services.store.reading() as tx:
        messages = [event.message for event in tx.runs.timeline(repo.run_of(done))]
    assert f"the plan of {first} is reused: none of its inputs has changed" in messages

    journey.ben.comment(repo.name, number, "/apply")
    applied = repo.settled(newer, f"plangate/{repo.short}-net/apply", "success")
    with journey.services.store.reading() as tx:
        messages = [event.message for event in tx.runs.timeline(repo.run_of(applied))]
    assert any("is reused" in message for message in messages)


def test_a_plan_that_fails_says_why_and_can_not_be_applied(journey: Journey) -> None:
    repo = journey.repo()
    broken = 'resource "terraform_data" "net" {\n  input = var.missing\n}\n'
    number, sha = _pull_on_quiet_main(journey, repo, "broken", {"net/main.tf": broken})
    done = repo.settled(sha)
    assert done["state"] == "failure"
    failed = repo.settled(sha, f"plangate/{repo.short}-net/plan", "failure")
    assert "undeclared input variable" in failed["description"]
    shown = repo.comment_with(number, "undeclared input variable")
    assert 'on main.tf line 2, in resource "terraform_data" "net":\n   2:   input = var.missing\n' in shown

    journey.ben.comment(repo.name, number, "/apply")
    assert "the plan of the latest commit failed" in repo.comment_with(
        number, "the plan of the latest commit failed"
    )


def test_a_plan_without_changes_passes_and_has_nothing_to_apply(journey: Journey) -> None:
    repo = journey.repo({"net/main.tf": "# nothing yet\n", "app/main.tf": resource("app", "one")})
    number, sha = _pull_on_quiet_main(journey, repo, "nothing", {"net/more.tf": "# still nothing\n"})
    done = repo.settled(sha)
    assert (done["state"], done["description"]) == ("success", "1 workspace planned: no changes")
    journey.ben.comment(repo.name, number, "/apply")
    repo.comment_with(number, "there is nothing to apply")


def test_a_change_that_touches_no_workspace_passes_without_a_comment(journey: Journey) -> None:
    repo = journey.repo()
    number, sha = _pull_on_quiet_main(journey, repo, "docs", {"README.md": "Words.\n"})
    done = repo.settled(sha)
    assert (done["state"], done["description"]) == ("success", "No workspace is affected")
    assert repo.bot_comments(number) == []


def test_a_reader_is_refused_with_the_reason_and_nothing_runs(journey: Journey) -> None:
    repo = journey.repo()
    number, sha = _pull_on_quiet_main(journey, repo, "refused", {"net/main.tf": resource("net", "two")})
    repo.settled(sha)
    journey.eve.comment(repo.name, number, "/apply")
    refusal = repo.comment_with(number, "needs write access")
    assert "@eve" not in refusal
    with journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-net")
        sources = {run.source for run in tx.runs.find(RunQuery(workspace_id=workspace.id))}
    assert sources == {RunSource.PUSH, RunSource.CHANGE}


def test_another_plan_than_the_one_shown_stops_and_asks_again(journey: Journey) -> None:
    repo = journey.repo()
    first, sha = _pull_on_quiet_main(journey, repo, "first", {"net/main.tf": resource("net", "two")})
    other, other_sha = repo.pull("second", {"net/extra.tf": resource("extra", "new")})
    repo.settled(sha)
    repo.settled(other_sha)
    # The first change's apply makes a resource that the second one's plan did not know of.
    journey.ben.comment(repo.name, first, "/apply")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")

    journey.ben.comment(repo.name, other, "/apply")
    context = f"plangate/{repo.short}-net/apply"
    asks = repo.words(other_sha, context, "The plan changed since it was approved")
    assert asks["state"] == "pending"
    shown = repo.comment_with(other, "terraform_data.net")
    assert "since" in shown.lower()

    journey.ben.comment(repo.name, other, "/apply")
    applied = repo.settled(other_sha, context, "success")
    run = repo.run_of(applied)
    with journey.services.store.reading() as tx:
        kinds = [event.kind for event in tx.runs.timeline(run)]
    assert "plan changed" in kinds
    assert kinds[-1] == "applied"


@pytest.mark.soak
def test_two_pull_requests_in_one_workspace_are_planned_side_by_side_and_applied_in_turn(
    journey: Journey,
) -> None:
    repo = journey.repo()
    slow = '  provisioner "local-exec" {\n    command = "sleep 2"\n  }\n'
    one, one_sha = _pull_on_quiet_main(journey, repo, "one", {"net/one.tf": resource("one", "1", slow)})
    two, two_sha = repo.pull("two", {"net/two.tf": resource("two", "2")})
    repo.settled(one_sha)
    repo.settled(two_sha)
    journey.ben.comment(repo.name, one, "/apply")
    repo.settled(one_sha, f"plangate/{repo.short}-net/apply", "pending")
    journey.ana.comment(repo.name, two, "/apply")

    first = repo.settled(one_sha, f"plangate/{repo.short}-net/apply", "success")
    second = repo.words(two_sha, f"plangate/{repo.short}-net/apply", "The plan changed")
    with journey.services.store.reading() as tx:
        ended = [e.at for e in tx.runs.timeline(repo.run_of(first)) if e.kind == "applied"]
        began = [e.at for e in tx.runs.timeline(repo.run_of(second)) if e.kind == "fetching"]
    # Promise 2: the second is not even planned until the first is final.
    assert ended[0] <= began[0]


def test_a_repeated_delivery_does_nothing_and_a_forged_one_is_turned_away(journey: Journey) -> None:
    repo = journey.repo()
    _, sha = _pull_on_quiet_main(journey, repo, "repeat", {"net/main.tf": resource("net", "two")})
    repo.settled(sha)
    headers = {"Authorization": f"Bearer {journey.stage.admin_token}"}
    forge = f"{journey.stage.forge_url}/playground"
    log = httpx.get(f"{forge}/deliveries", headers=headers).json()
    name, forged = FORGED[journey.kind]
    opened = next(d for d in log if d["event"] == name and sha in json.dumps(d["payload"]))
    assert opened["status"] == 202
    workspace_runs = _previews(journey, repo.short)

    httpx.post(f"{forge}/deliveries/{opened['id']}/attempts", headers=headers).raise_for_status()

    def answered() -> int | None:
        log = httpx.get(f"{forge}/deliveries", headers=headers).json()
        again = [d for d in log if d["id"] == opened["id"] and d["redelivery"]]
        return again[0]["status"] if again and again[0]["status"] else None

    assert journey.until(answered, "the answer to the repeat") == 200
    assert _previews(journey, repo.short) == workspace_runs

    answer = httpx.post(
        f"{journey.stage.url}/hooks/{journey.kind}",
        content=json.dumps(opened["payload"]),
        headers={header: value.format(journey.stage.webhook_secret) for header, value in forged.items()},
    )
    assert answer.status_code == 401
    with journey.services.store.reading() as tx:
        assert "forged" not in {d.id for d in tx.deliveries.recent(500)}


def test_the_run_page_shows_the_run_and_its_button_confirms_it(journey: Journey) -> None:
    repo = journey.repo()
    journey.ana.push(repo.tree, "main")
    sha = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    waiting = repo.settled(sha, f"plangate/{repo.short}-app/apply", "pending")
    with httpx.Client(follow_redirects=True) as browser:
        form = browser.get(waiting["target_url"])
        assert (form.url.path, sha[:7] in form.text) == ("/sign-in", False)
        password = journey.stage.sign_in_address().partition("#")[2]
        page = browser.post(form.url, data={"password": password, "next": form.url.params["next"]})
        assert (page.status_code, str(page.url)) == (200, waiting["target_url"])
        for words in (sha[:7], "terraform_data.app", "Confirm", "Discard", "ana"):
            assert words in page.text
        action, fields = _button(page.text, "confirm")
        answer = browser.post(f"{journey.stage.url}{action}", data=fields)
        assert answer.status_code == 200
    repo.settled(sha, f"plangate/{repo.short}-app/apply", "success")


def _button(page: str, verb: str) -> tuple[str, dict[str, str]]:
    """Return the address of a page's form to do something, and the hidden fields that go with it."""
    form = re.search(rf'<form method="post" action="([^"]+/{verb})"(.*?)</form>', page, re.DOTALL)
    assert form, f"the page has no button to {verb}"
    return form[1], dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form[2]))


def _previews(journey: Journey, short: str) -> int:
    with journey.services.store.reading() as tx:
        return len(tx.runs.find(RunQuery(workspace_id=tx.workspaces.named(f"{short}-net").id)))


def _pull_on_quiet_main(journey: Journey, repo: Repo, branch: str, files: dict[str, str]) -> tuple[int, str]:
    """Open a pull request on a main branch whose own runs are out of the way."""
    journey.ana.push(repo.tree, "main")
    sha = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    services = journey.services
    for name in ("net", "app"):

        def ask(name: str = name) -> bool | None:
            with services.store.reading() as tx:
                workspace = tx.workspaces.named(f"{repo.short}-{name}")
                runs = tx.runs.find(RunQuery(workspace_id=workspace.id, commit=sha))
            for run in runs:
                if run.final:
                    return True
                if run.awaits_confirmation:
                    services.controls.discard(run.id, ADMIN)
                    return True
            return None

        journey.until(ask, f"the first run of {repo.short}-{name}")
    return repo.pull(branch, files)
