"""Commands, requirements, `/why` and forks on real input: real pushes, real Terraform, a forge's REST API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.people.permissions import Person, Role
from bot.services.ports import RunQuery
from tests.support import processes
from tests.support.journeys import Journey, Repo, manifest, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
SLOW = '  provisioner "local-exec" {\n    command = "sleep 60"\n  }\n'
TWO = {"net/main.tf": resource("net", "two")}


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """The usual stage, on which an apply needs more than a role."""
    text = manifest(rooms(kind)[:4], "defaults: {require: [approved, up_to_date, mergeable, not_draft]}\n")
    with Journey(tmp_path_factory.mktemp("commands"), text, kind=kind) as found:
        yield found


def quiet(journey: Journey) -> Repo:
    """Return a repository with a main branch whose own runs are out of the way."""
    repo = journey.repo()
    journey.ana.push(repo.tree, "main")
    sha = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    services = journey.services
    for name in ("net", "app"):

        def ask(name: str = name) -> bool | None:
            with services.store.reading() as tx:
                workspace = tx.workspaces.named(f"{repo.short}-{name}")
                runs = tx.runs.find(RunQuery(workspace_id=workspace.id, commit=sha))
            if any(run.awaits_confirmation for run in runs):
                services.controls.discard(runs[0].id, ADMIN)
                return True
            return None

        journey.until(ask, f"the first run of {repo.short}-{name}")
    return repo


@pytest.mark.soak
def test_a_refused_apply_has_its_table_and_goes_on_once_it_is_approved(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("two", TWO)
    repo.settled(sha)
    net = f"{repo.short}-net"

    # In the first situation, the apply lacks an approval, and the other workspace is not touched.
    journey.ana.comment(repo.name, number, f"Now:\n\n/apply {repo.short}-n*")
    refused = repo.comment_with(number, f"**{net}** is not ready to be applied")
    lacking = "| `approved` | ❌ no | nobody with write access, other than its author, has approved"
    assert lacking in refused
    for met in (
        "`permission` | ✅ yes",
        "`up_to_date` | ✅ yes",
        "`mergeable` | ✅ yes",
        "`not_draft` | ✅ yes",
    ):
        assert met in refused
    journey.ana.comment(repo.name, number, "/why")
    why = repo.comment_with(number, "### Why, as of commit")
    assert lacking in why
    assert f"**{repo.short}-app** does not run on this change: none of the changed files is in app/" in why
    assert f"**{net}-staging** does not run on this change: it follows branch staging" in why
    assert "runs on this change: net/main.tf is in net" in why

    # In the second, it waits for a lock, in the words of the status.
    journey.ben.approve(repo.name, number)
    journey.ben.comment(repo.name, number, f"/plangate lock {net} because we move")
    journey.ana.comment(repo.name, number, "/apply")
    waiting = repo.words(sha, f"plangate/{net}/apply", "locked by ben: we move")
    journey.ana.comment(repo.name, number, f"/why {net}")
    assert waiting["description"] in repo.comment_with(number, waiting["description"])

    journey.ben.comment(repo.name, number, "/plangate unlock -d net")
    repo.settled(sha, f"plangate/{net}/apply", "success")
    journey.ana.comment(repo.name, number, "/why")
    why = repo.comment_with(number, "this commit is applied already, by run-")
    assert [body for body in repo.bot_comments(number) if "### Why" in body] == [why]


def test_an_apply_is_canceled_by_a_comment(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("slow", {"net/main.tf": resource("net", "two", SLOW)})
    repo.settled(sha)
    journey.ben.approve(repo.name, number)
    journey.ana.comment(repo.name, number, "/apply")
    repo.words(sha, f"plangate/{repo.short}-net/apply", "Applying")
    journey.ben.comment(repo.name, number, "/cancel because it hangs")
    ended = repo.settled(sha, f"plangate/{repo.short}-net/apply", "error")
    assert ended["description"] == "Apply canceled by ben"
    journey.ana.comment(repo.name, number, "/why")
    assert "Apply canceled by ben" in repo.comment_with(number, "### Why")


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel does not group sessions")
def test_a_run_leaves_the_processor_to_the_web(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("nice", {"net/main.tf": resource("net", "two", SLOW)})
    repo.settled(sha)
    journey.ben.approve(repo.name, number)
    journey.ana.comment(repo.name, number, "/apply")

    def gives_way() -> bool | None:
        # An apply is no child of its worker. The kernel takes only some changes a second, so it may take one.
        ours = [pid for each in processes.mentioning(journey.stage.root) for pid in processes.below(each)]
        asleep = [pid for pid in ours if b"sleep" in _read(pid, "cmdline")]
        groups = {_read(pid, "autogroup").rpartition(b"nice ")[2].strip() for pid in asleep}
        return groups == {b"10"} or None

    journey.until(gives_way, "the apply to give way")
    journey.ben.comment(repo.name, number, "/cancel")
    assert repo.settled(sha, f"plangate/{repo.short}-net/apply", "error")["description"].startswith("Apply")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def test_a_fork_waits_for_somebody_who_may_and_each_commit_needs_it_again(journey: Journey) -> None:
    repo = quiet(journey)
    journey.stage.admin("POST", f"/repos/{repo.name}/forks", {"owner": "eve"})
    tree = journey.eve.clone(f"eve/{repo.short}", journey.stage.root / "fork")
    journey.eve.git(tree, "checkout", "-q", "-b", "offer")
    first = journey.eve.commit(tree, "Offer", TWO)
    journey.eve.push(tree, "offer")
    number = journey.eve.offer(f"eve/{repo.short}", "offer", "Offer", repo.name)
    waiting = repo.words(first, "plangate", "A change from a fork")
    assert waiting["state"] == "pending"
    assert "may comment /plan" in waiting["description"]

    journey.eve.comment(repo.name, number, "/plan")
    repo.comment_with(number, "eve has read access to this repository; apply needs write access")
    journey.ben.comment(repo.name, number, "/why")
    repo.comment_with(number, "someone with write access may comment /plan")
    assert repo.status(first, f"plangate/{repo.short}-net/plan") is None

    # Promise 5: only now, and for this very commit.
    journey.ben.comment(repo.name, number, "/plan")
    repo.settled(first, f"plangate/{repo.short}-net/plan", "success")
    second = journey.eve.commit(tree, "More", {"net/more.tf": resource("more", "one")})
    journey.eve.push(tree, "offer")
    repo.words(second, "plangate", "A change from a fork")
    assert repo.status(second, f"plangate/{repo.short}-net/plan") is None
