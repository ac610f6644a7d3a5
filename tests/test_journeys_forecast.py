"""Forecasts on real processes: two changes that are independent, matter in order, or destroy together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run, RunSource
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
DATABASE = """
resource "terraform_data" "db" {
  input            = "data"
  triggers_replace = local.moved && local.renamed
}
resource "terraform_data" "net" {
  input = "${local.zone}-${local.size}"
}
"""
LOCALS = {"moved": "false", "renamed": "false", "zone": '"a"', "size": '"small"'}


def local(name: str, value: str) -> str:
    return f"locals {{\n  {name} = {value}\n}}\n"


FILES = {
    "net/main.tf": DATABASE,
    **{f"net/{name}.tf": local(name, value) for name, value in LOCALS.items()},
    "app/main.tf": 'resource "terraform_data" "app" {\n  input = file("../net/size.txt")\n}\n',
    "net/size.txt": "small",
}


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage whose workspaces have an app that depends on a network."""
    lines = ['forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n', "workspaces:"]
    for repo in rooms(kind)[:9]:
        short = repo.rpartition("/")[2]
        lines += [
            f"  - {{name: {short}-net, repo: {repo}, working_directory: net}}",
            f"  - {{name: {short}-app, repo: {repo}, working_directory: app, depends_on: [{short}-net]}}",
        ]
    text = "\n".join(lines) + "\n"
    with Journey(tmp_path_factory.mktemp("forecasts"), text, kind=kind, PLANGATE_FORECASTS="3") as found:
        yield found


@pytest.fixture
def repo(journey: Journey) -> Repo:
    """A repository whose main is applied."""
    found = journey.repo(FILES)
    journey.ana.push(found.tree, "main")
    sha = journey.ana.git(found.tree, "rev-parse", "HEAD")
    for place in ("net", "app"):
        waiting = found.settled(sha, f"plangate/{found.short}-{place}/apply", "pending")
        journey.services.controls.confirm(found.run_of(waiting), ADMIN)
        found.settled(sha, f"plangate/{found.short}-{place}/apply", "success")
    return found


def both(repo: Repo, one: dict[str, str], other: dict[str, str]) -> tuple[int, int]:
    """Open two changes, wait for their plans, and return their numbers."""
    (first, sha), (second, other_sha) = repo.pull("one", one), repo.pull("other", other)
    for each in (sha, other_sha):
        repo.settled(each, "plangate", "success")
    return first, second


def sign(repo: Repo) -> str:
    return "\\#\u200b" if repo.journey.kind == "github" else "\\!\u200b"


def forecasts(repo: Repo) -> list[Run]:
    with repo.journey.services.store.reading() as tx:
        found = [tx.workspaces.named(f"{repo.short}-{place}") for place in ("net", "app")]
        runs = [run for each in found for run in tx.runs.find(RunQuery(workspace_id=each.id))]
    return [run for run in runs if run.source is RunSource.FORECAST]


@pytest.mark.soak
def test_two_independent_changes_say_so_until_one_of_them_moves(repo: Repo) -> None:
    first, second = both(repo, {"net/x.tf": resource("x", "1")}, {"net/y.tf": resource("y", "1")})
    repo.comment_with(first, f"independent of {sign(repo)}{second}")
    repo.comment_with(second, f"independent of {sign(repo)}{first}")
    (run,) = forecasts(repo)
    assert run.merge is not None
    assert (run.change_number, run.plan_only, bool(run.merge.first)) == (None, True, True)

    repo.journey.ana.git(repo.tree, "checkout", "-q", "other")
    sha = repo.push("other", "Another net", {"net/size.tf": local("size", '"large"')})
    repo.settled(sha, "plangate", "success")
    repo.comment_with(first, f"independent of {sign(repo)}{second}")
    repo.journey.until(lambda: len(forecasts(repo)) > 1 or None, "a forecast of the newer commit")

    # The forecast has shown no status of its own, and nobody can apply it.
    repo.journey.ben.comment(repo.name, second, "/apply")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")


def test_two_changes_of_one_resource_say_that_the_order_matters(repo: Repo) -> None:
    first, second = both(
        repo, {"net/zone.tf": local("zone", '"b"')}, {"net/size.tf": local("size", '"large"')}
    )
    said = "matters: terraform\\_data.net"
    assert f"the order with {sign(repo)}{second} {said}" in repo.comment_with(first, said)
    assert f"the order with {sign(repo)}{first} {said}" in repo.comment_with(second, said)


@pytest.mark.soak
def test_two_changes_that_destroy_together_say_what(repo: Repo) -> None:
    first, second = both(
        repo,
        {"net/moved.tf": local("moved", "true") + resource("x", "1")},
        {"net/renamed.tf": local("renamed", "true") + resource("y", "1")},
    )
    said = "replaces terraform\\_data.db"
    assert f"together with {sign(repo)}{second}: {said}" in repo.comment_with(first, said)
    assert f"together with {sign(repo)}{first}: {said}" in repo.comment_with(second, said)
    assert "terraform_data.db" not in repo.comment_with(first, said).partition("```diff")[2]


def test_two_changes_that_conflict_name_the_file(repo: Repo) -> None:
    first, second = both(repo, {"net/zone.tf": local("zone", '"b"')}, {"net/zone.tf": local("zone", '"c"')})
    repo.comment_with(first, f"conflicts with {sign(repo)}{second} in net/zone.tf")
    repo.comment_with(second, f"conflicts with {sign(repo)}{first} in net/zone.tf")
    assert forecasts(repo) == []


@pytest.mark.soak
def test_two_changes_whose_plan_fails_together_say_why(repo: Repo) -> None:
    first, second = both(repo, {"net/x.tf": resource("x", "1")}, {"net/y.tf": resource("x", "1")})
    said = 'the plan fails: Duplicate resource "terraform\\_data" configuration'
    assert f"together with {sign(repo)}{second} {said}" in repo.comment_with(first, said)
    repo.comment_with(second, f"together with {sign(repo)}{first} {said}")


@pytest.mark.soak
def test_a_dependent_is_planned_with_what_it_depends_on(repo: Repo) -> None:
    first, second = both(
        repo, {"net/x.tf": resource("x", "1"), "net/size.txt": "large"}, {"app/y.tf": resource("y", "1")}
    )
    said = "changes terraform\\_data.app"
    assert f"together with {sign(repo)}{second}: {said}" in repo.comment_with(first, said)
    assert f"**: together with {sign(repo)}{first}: {said}" in repo.comment_with(second, said)
    assert {run.branch for run in forecasts(repo)} == {"other"}
