"""Plans of merge results on real processes: stale branches, conflicts, moving bases, all kinds of merges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
PLACES = ("net", "app")
FILES = {f"{place}/main.tf": resource(place, "one") for place in PLACES}


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage whose workspaces plan merge results."""
    lines = [
        'forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n',
        "workspaces:",
    ]
    for repo in rooms(kind)[:9]:
        short = repo.rpartition("/")[2]
        lines += [
            f"  - {{name: {short}-{place}, repo: {repo}, working_directory: {place}}}" for place in PLACES
        ]
    text = "\n".join(lines) + "\n"
    with Journey(tmp_path_factory.mktemp("merges"), text, kind=kind, PLANGATE_REPLAN_SIBLINGS="10") as found:
        yield found


@pytest.fixture
def repo(journey: Journey) -> Repo:
    """A repository whose main is applied."""
    found = journey.repo(FILES)
    journey.ana.push(found.tree, "main")
    sha = journey.ana.git(found.tree, "rev-parse", "HEAD")
    for place in PLACES:
        waiting = found.settled(sha, f"plangate/{found.short}-{place}/apply", "pending")
        journey.services.controls.confirm(found.run_of(waiting), ADMIN)
        found.settled(sha, f"plangate/{found.short}-{place}/apply", "success")
    return found


def runs(repo: Repo, place: str, **query: object) -> list[Run]:
    """Return the runs of a place, newest first."""
    with repo.journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-{place}")
        return list(tx.runs.find(RunQuery(workspace_id=workspace.id, **query)))  # type: ignore[arg-type]


def merged_elsewhere(repo: Repo, files: dict[str, str], place: str) -> str:
    """Have somebody else's work come to main, and be applied there; return main's commit."""
    sha = repo.push("main", "Others", files)
    waiting = repo.settled(sha, f"plangate/{repo.short}-{place}/apply", "pending")
    repo.journey.services.controls.confirm(repo.run_of(waiting), ADMIN)
    repo.settled(sha, f"plangate/{repo.short}-{place}/apply", "success")
    return sha


def replanned(repo: Repo, place: str, base: str) -> Run:
    """Wait until a preview on top of a commit of main, which is applied, has ended; return it.

    The apply has plans made again that ended before it.
    """
    (applied,) = runs(repo, place, commit=base, plan_only=False)

    def ask() -> Run | None:
        found = [run for run in runs(repo, place, plan_only=True) if run.merge and run.merge.base == base]
        newest = found[0] if found and found[0].final else None
        return newest if newest is not None and newest.status_at > applied.status_at else None

    return repo.journey.until(ask, f"a plan of {place} on top of {base[:8]}")


def test_a_branch_that_is_behind_does_not_revert_what_was_merged(journey: Journey, repo: Repo) -> None:
    behind = repo.push("behind", "Behind", {"net/more.tf": resource("more", "new")}, new=True)
    journey.ana.git(repo.tree, "checkout", "-q", "main")
    base = merged_elsewhere(repo, {"net/other.tf": resource("other", "new")}, "net")

    number = journey.ana.open_pull(repo.name, "behind", "A branch that is behind")

    done = repo.settled(behind)
    assert (done["state"], done["description"]) == ("success", "1 workspace planned: +1 ~0 -0")
    shown = repo.comment_with(number, "terraform_data")
    assert 'resource "terraform_data" "more"' in shown
    assert '"other"' not in shown
    assert f"planned on top of `main at {base[:7]}`" in shown
    journey.ben.comment(repo.name, number, "/apply")
    applied = repo.settled(behind, f"plangate/{repo.short}-net/apply", "success")
    with journey.services.store.reading() as tx:
        run = tx.runs.get(repo.run_of(applied))
        state = tx.states.current(run.workspace_id)
        assert state is not None
        kept = tx.states.data(state.id).decode()
    assert run.merge is not None
    assert (run.commit, run.merge.base) == (behind, base)
    assert all(f'"name": "{name}"' in kept for name in ("net", "other", "more"))


def test_a_conflict_is_not_planned_and_names_its_files(journey: Journey, repo: Repo) -> None:
    number, sha = repo.pull("first", {"net/main.tf": resource("net", "two")})
    repo.settled(sha, "plangate", "success")
    journey.ana.git(repo.tree, "checkout", "-q", "main")
    repo.push("main", "Others", {"net/main.tf": resource("net", "three")})

    failed = repo.settled(sha, "plangate", "failure", "failed")

    assert failed["description"] == "Conflicts with main in 1 file: nothing is planned"
    shown = repo.comment_with(number, "net/main.tf")
    assert "It has conflicts with main, so nothing is planned" in shown
    assert "/apply" not in shown
    journey.ben.comment(repo.name, number, "/apply")
    repo.comment_with(number, "it has conflicts with main, so nothing is planned")
    assert runs(repo, "net", change_number=number, plan_only=False) == []

    journey.ana.git(repo.tree, "checkout", "-q", "first")
    journey.ana.git(repo.tree, "merge", "-q", "-s", "ours", "--no-edit", "main")
    journey.ana.push(repo.tree, "first")
    resolved = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    assert repo.settled(resolved)["state"] == "success"


@pytest.mark.soak
def test_a_base_that_moves_has_only_the_plans_made_again_that_can_read_it(
    journey: Journey, repo: Repo
) -> None:
    net, net_sha = repo.pull("net", {"net/more.tf": resource("more", "new")})
    app, app_sha = repo.pull("app", {"app/more.tf": resource("more", "new")})
    repo.settled(net_sha, "plangate", "success")
    repo.settled(app_sha, "plangate", "success")
    (before,) = runs(repo, "app", plan_only=True)
    journey.ana.git(repo.tree, "checkout", "-q", "main")
    base = merged_elsewhere(repo, {"net/other.tf": resource("other", "new")}, "net")

    again = replanned(repo, "net", base)
    repo.comment_with(net, f"planned on top of `main at {base[:7]}`")

    def noted() -> Run | None:
        (only,) = runs(repo, "app", plan_only=True)
        return only if only.merge is not None and only.merge.same_on == base else None

    assert journey.until(noted, "that the plan of app is as good").id == before.id
    assert again.counts is not None
    assert str(again.counts) == "+1 ~0 -0"
    for number, sha, place in ((app, app_sha, "app"), (net, net_sha, "net")):
        journey.ben.comment(repo.name, number, "/apply")
        repo.settled(sha, f"plangate/{repo.short}-{place}/apply", "success")


@pytest.mark.parametrize(
    "method", ["merge", *(pytest.param(method, marks=pytest.mark.soak) for method in ("squash", "rebase"))]
)
def test_after_the_merge_the_branch_s_run_ends_without_terraform(
    journey: Journey, repo: Repo, kind: str, method: str
) -> None:
    if kind == "gitlab" and method == "rebase":
        pytest.skip(
            "GitLab rebases by hand: a merge is then a fast-forward, the very commit that was applied"
        )
    number, sha = repo.pull("change", {"net/more.tf": resource("more", "new")})
    # Somebody else's work comes to main, which the change does not touch.
    journey.ana.git(repo.tree, "checkout", "-q", "main")
    base = merged_elsewhere(repo, {"app/other.tf": resource("other", "new")}, "app")
    repo.settled(sha, "plangate", "success")
    journey.ben.comment(repo.name, number, "/apply")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")

    merged = journey.ana.merge(repo.name, number, method)

    assert merged not in (sha, base)
    done = repo.settled(merged, f"plangate/{repo.short}-net/plan", "success")
    assert done["description"] == f"As applied on {journey.stage.words.numbered(number)}"
    with journey.services.store.reading() as tx:
        run = tx.runs.get(repo.run_of(done))
        output = tx.artifacts.output(run.id, "plan")
    assert run.status is RunStatus.PLANNED_AND_FINISHED
    assert (output, run.engine_version) == ("", "")


@pytest.mark.soak
def test_a_branch_with_more_than_what_was_applied_is_planned(journey: Journey, repo: Repo) -> None:
    number, sha = repo.pull("change", {"net/more.tf": resource("more", "new")})
    repo.settled(sha, "plangate", "success")
    journey.ben.comment(repo.name, number, "/apply")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")
    journey.ana.merge(repo.name, number)
    journey.ana.git(repo.tree, "checkout", "-q", "main")
    journey.ana.git(repo.tree, "pull", "-q", "--no-rebase", "origin", "main")
    after = repo.push("main", "More", {"net/last.tf": resource("last", "new")})
    waiting = repo.settled(after, f"plangate/{repo.short}-net/plan", "success")
    assert waiting["description"] == "Plan: 1 to add, 0 to change, 0 to destroy"
