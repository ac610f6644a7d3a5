"""Policies on real input: real pushes, real Terraform, real Rego, a set fetched from a real repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.people.permissions import Person, Role
from tests.support.journeys import Journey, Repo, manifest, resource

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
SETS = """
policy_sets:
  - {name: house, folder: rules, workspaces: ["*-net"], owners: [ben]}
  - {name: fetched, repo: acme/policies, folder: sets, workspaces: ["*-app"]}
"""
INDEX = "\n".join(
    f'policy "{name}" {{\n  query = "data.house.{name}"\n  enforcement_level = "{level}"\n}}\n'
    for name, level in (
        ("whisper", "advisory"),
        ("careful", "soft-mandatory"),
        ("never", "hard-mandatory"),
        ("broken", "soft-mandatory"),
    )
)
RULES = """package house

values contains change.change.after.input if some change in input.plan.resource_changes

whisper contains sprintf("%s is a whisper", ["it"]) if "whisper" in values

careful contains "be careful with @everybody" if "careful" in values

never contains "never do this" if "never" in values

broken contains 1 / 0 if "broken" in values
"""


def fetched(message: str) -> dict[str, str]:
    bad = 'input.resource_changes[_].change.after.input == "bad"'
    rules = f'package main\n\ndeny contains "{message}" if {bad}\n'
    return {"sets/main.rego": rules}


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    root = tmp_path_factory.mktemp("policies")
    (root / "rules").mkdir()
    (root / "rules" / "policies.hcl").write_text(INDEX)
    (root / "rules" / "house.rego").write_text(RULES)
    with Journey(root, manifest(more=SETS)) as found:
        yield found


@pytest.fixture(scope="module")
def policies(journey: Journey) -> Path:
    """The repository of a set, with Ana's working tree."""
    journey.stage.create_repo("acme/policies", {"ana": "write"})
    tree = journey.ana.clone("acme/policies", journey.stage.root / "policies-tree")
    journey.ana.git(tree, "checkout", "-q", "-B", "main")
    journey.ana.commit(tree, "Begin", fetched("the first words"))
    journey.ana.push(tree, "main")
    return tree


def begun(journey: Journey) -> Repo:
    """Return a repository whose `net` alone is planned by what follows."""
    repo = journey.repo({"README.md": "nothing yet"})
    journey.ana.push(repo.tree, "main")
    return repo


def test_a_soft_failure_is_overridden_by_an_owner_and_by_nobody_else(journey: Journey) -> None:
    repo = begun(journey)
    number, sha = repo.pull("careful", {"net/main.tf": resource("net", "careful")})
    policy = f"plangate/{repo.short}-net/policy"
    counted, _, by = repo.settled(sha, policy)["description"].partition(", by ")
    assert counted == "3 passed, 1 soft failed"
    assert by.split()[0] in ("OPA", "regorus")
    shown = repo.comment_with(number, "house/careful")
    assert "be careful with @\N{ZERO WIDTH SPACE}everybody" in shown

    journey.ana.comment(repo.name, number, "/apply")
    waits = repo.words(sha, policy, "an owner may override")
    assert waits["state"] == "pending"
    journey.ana.comment(repo.name, number, "/override I want it")
    assert "its owners: ben" in repo.comment_with(number, "is not an owner of the policy set house")
    journey.ben.comment(repo.name, number, "/override careful known, and wanted")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")
    assert repo.words(sha, policy, "overridden")["state"] == "success"
    run_id = repo.run_of(waits)
    with journey.services.store.reading() as tx:
        kinds = [event.kind for event in tx.runs.timeline(run_id)]
        (check,) = [check for check in tx.policies.of_run(run_id) if check.override]
    assert kinds[5:10] == [
        "planned",
        "policy_checking",
        "policy_override",
        "policy overridden",
        "policy_checked",
    ]
    assert check.override is not None
    assert (check.override.by, check.override.reason) == ("ben", "known, and wanted")


def test_advisory_hard_and_broken_policies_each_do_what_their_level_says(journey: Journey) -> None:
    repo = begun(journey)
    policy = f"plangate/{repo.short}-net/policy"
    said = {}
    for value in ("whisper", "never", "broken"):
        _, sha = repo.pull(value, {"net/main.tf": resource("net", value)})
        status = repo.settled(sha, policy)
        counted = status["description"].partition(", by ")[0]
        said[value] = (status["state"], counted, repo.settled(sha)["state"])
    assert said == {
        "whisper": ("success", "3 passed, 1 advisory failed", "success"),
        "never": ("failure", "3 passed, 1 hard failed", "failure"),
        "broken": ("failure", "3 passed, 1 soft failed (1 could not be evaluated)", "failure"),
    }


@pytest.mark.soak
def test_a_run_keeps_the_version_of_a_set_that_judged_it(journey: Journey, policies: Path) -> None:
    repo = begun(journey)
    first = journey.ana.git(policies, "rev-parse", "HEAD")
    sha = repo.push("main", "Good", {"app/main.tf": resource("app", "good")})
    waiting = repo.settled(sha, f"plangate/{repo.short}-app/apply", "pending")
    repo.words(sha, f"plangate/{repo.short}-app/policy", "1 passed")
    second = journey.ana.commit(policies, "Other words", fetched("the second words"))
    journey.ana.push(policies, "main")
    journey.services.controls.confirm(repo.run_of(waiting), ADMIN)
    repo.settled(sha, f"plangate/{repo.short}-app/apply", "success")

    number, bad = repo.pull("bad", {"app/main.tf": resource("app", "bad")})
    judged = repo.settled(bad, f"plangate/{repo.short}-app/policy")
    assert judged["state"] == "failure"
    assert "the second words" in repo.comment_with(number, "fetched/deny")
    with journey.services.store.reading() as tx:
        places = [tx.policies.origins(repo.run_of(status))["fetched"] for status in (waiting, judged)]
    assert places == [("github:acme/policies:sets", first), ("github:acme/policies:sets", second)]


@pytest.mark.soak
def test_a_change_of_a_set_is_tried_on_the_plans_there_are(journey: Journey, policies: Path) -> None:
    repo = begun(journey)
    _, planned = repo.pull("fine", {"app/main.tf": resource("app", "fine")})
    repo.settled(planned, f"plangate/{repo.short}-app/policy", "success")
    sets = Repo(journey, "acme/policies", policies)
    strict = fetched("too fine")["sets/main.rego"].replace('"bad"', '"fine"')
    number, sha = sets.pull("stricter", {"sets/main.rego": strict})
    status = sets.settled(sha, "plangate/policies/fetched")
    assert (status["state"], "1 newly blocked" in status["description"]) == ("success", True)
    shown = sets.comment_with(number, "1 newly blocked")
    assert f"of `{repo.short}-app`: passes now, needs an override then; then fails `deny`" in shown
    assert "too fine" not in shown

    # The next push edits the comment.
    again = sets.push("stricter", "As before", fetched("the second words"))
    sets.settled(again, "plangate/policies/fetched")
    sets.comment_with(number, again[:7])
    assert len(sets.bot_comments(number)) == 1
