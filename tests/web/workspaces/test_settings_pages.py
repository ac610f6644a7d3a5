"""A workspace's settings: what each is, where it comes from; and its current and latest run."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.config.file.marked_yaml import parse_document
from bot.config.file.positions import read_written
from bot.config.file.validate import check
from bot.config.problems import Problems
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.identity import Cloud, Identity, Target
from bot.domain.workspaces.isolation import Isolation, Network
from bot.forges.kinds import KINDS
from tests.web.conftest import World


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def settings(page: str) -> dict[str, tuple[str, str]]:
    return {
        name: (value, source)
        for name, value, source in re.findall(
            r"<tr><td>([^<]+?)(?: <span class=\"keys\">.*?</span>)?</td>"
            r"<td[^>]*>([^<]+)</td><td[^>]*>(?:<code>)?([^<]+)(?:</code>)?</td>",
            page,
        )
    }


MANIFEST = b"""\
defaults:
  auto_apply: true
  require: [approved]
workspaces:
  - name: named
    repo: acme/infra
    branch: main
    trigger_patterns: ["net/**"]
    require: [mergeable]
    run_triggers: [first]
discover:
  - repo: acme/infra
    directories: ["found/*"]
    tags: [prod, eu]
forges:
  hub: {kind: github}
"""


@pytest.fixture
def look(world: World) -> Callable[[str], str]:
    """Open pages of a server whose plangate.yml is this one."""
    manifest = check(document := parse_document(MANIFEST, "plangate.yml"), KINDS, Problems())
    client = world.with_settings(written=read_written(manifest, document))
    world.sign_in(client)
    return lambda path: html.unescape(client.get(path).get_data(as_text=True))


def test_each_setting_says_on_which_line_it_is_written(world: World, look: Callable[[str], str]) -> None:
    world.workspace("first")
    world.workspace("named", run_triggers=("first",), require=("approved", "mergeable"))
    page = look("/workspaces/named/settings")
    assert (
        "was named in plangate.yml:5;" in page
        and 'starts a run here <span class="sub">(plangate.yml:10)' in page
    )
    found = {name: source for name, (_, source) in settings(page).items()}
    assert found["Repository"] == "plangate.yml:6"
    assert found["Runs on changes of"] == "plangate.yml:8"
    assert found["Auto-apply"] == "plangate.yml:2, under defaults"
    assert found["An apply needs"] == "plangate.yml:3, under defaults; plangate.yml:9"
    assert (found["Engine"], found["Directory"]) == ("the default", "the default")


def test_a_found_workspace_names_the_lines_of_its_rule(world: World, look: Callable[[str], str]) -> None:
    made = world.workspace("found-net", discovered=True)
    with world.services.store.transaction() as tx:
        tx.workspaces.put(replace(made, working_directory="found/net"))
    page = look("/workspaces/found-net/settings")
    assert "found by a rule under discover in plangate.yml:12;" in page
    found = settings(page)
    assert (found["Directory"], found["Tags"][1]) == (("found/net", "plangate.yml:13"), "plangate.yml:14")


def test_what_the_file_does_not_speak_of_any_more_names_no_line(
    world: World, look: Callable[[str], str]
) -> None:
    world.workspace("gone", auto_apply=True)
    assert settings(look("/workspaces/gone/settings"))["Auto-apply"] == (
        "on", "an earlier plangate.yml, or the default",
    )  # fmt: skip


def test_run_triggers_are_shown_on_both_ends(world: World) -> None:
    world.workspace("first")
    world.workspace("second", run_triggers=("first",))
    assert 'apply here starts a run in <a href="/workspaces/second">' in text(
        world, "/workspaces/first/settings"
    )
    assert 'apply of <a href="/workspaces/first">' in text(world, "/workspaces/second/settings")
    text(world, "/workspaces/nowhere/settings", 404)


def test_a_workspace_shows_its_current_and_its_latest_run(world: World) -> None:
    workspace = world.workspace()
    page = text(world, "/workspaces/network")
    assert "Current run" not in page
    assert "Latest run" not in page
    world.run(workspace, status=RunStatus.APPLIED, message="Done before")
    world.run(workspace, status=RunStatus.APPLYING, message="At it now")
    world.run(workspace, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, message="A preview")
    page = text(world, "/workspaces/network")
    current, latest = page.partition("Current run</a></h2>")[2].split("Latest run</a></h2>")
    assert "At it now" in current
    assert "Done before" in latest.partition("<h2")[0]
    assert '<a href="/workspaces/network/current">' in page


def test_the_current_and_the_latest_run_have_addresses_that_stay(world: World) -> None:
    workspace = world.workspace()
    for name, why in (("current", "No run is in progress in network"), ("latest", "No run of network is")):
        assert why in text(world, f"/workspaces/network/{name}", 404)
    latest = world.run(workspace, status=RunStatus.APPLIED)
    current = world.run(workspace, status=RunStatus.APPLYING)
    world.run(workspace)
    world.run(workspace, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True)
    for name, run in (("current", current), ("latest", latest)):
        answer = world.client.get(f"/workspaces/network/{name}")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.id}")
        told = world.client.get(f"/workspaces/network/{name}", headers={"Accept": "application/json"})
        assert told.get_json()["data"]["id"] == run.id


def test_a_long_queue_is_folded_behind_its_first(world: World) -> None:
    workspace = world.workspace()
    for number in range(9):
        world.run(workspace, message=f"Number {number}")
    page = text(world, "/workspaces/network")
    queue = page.partition("<h2>Queue ")[2].partition("<h2>All runs</h2>")[0]
    shown, folded = queue.split('id="queue-rest"')
    assert "8 waiting" in shown and "3 more in the queue" in folded
    assert re.findall(r"Number \d", shown) == [f"Number {number}" for number in range(1, 6)]
    assert re.findall(r"Number \d", folded) == [f"Number {number}" for number in range(6, 9)]


def test_what_runs_reach_and_whom_they_act_as_is_said(world: World) -> None:
    aws = Target("AWS", Cloud.AWS, "aws.workload.identity", "arn:plan", "arn:apply")
    own = Target("REGISTRY", Cloud.OTHER, "https://registry.example.com")
    made = world.workspace("net")
    with world.services.store.transaction() as tx:
        tx.workspaces.put(
            replace(
                made,
                isolation=Isolation(
                    egress=("*.example.com",), providers=("hashicorp/*",), own_providers=True
                ),
                identity=Identity((aws, own), forks=True),
            )
        )
    found = {name: value for name, (value, _) in settings(text(world, "/workspaces/net/settings")).items()}
    assert found["Runs reach"] == "*.example.com"
    assert found["Providers"] == "hashicorp/*; a commit may bring its own"
    assert found["Identity tokens"] == (
        "AWS (plan as arn:plan, apply as arn:apply); REGISTRY (audience https://registry.example.com); "
        "also for changes from forks"
    )


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Network.FILTERED, "public addresses, by HTTP and HTTPS"),
        (Network.HOST, "all that the worker reaches"),
        (Network.NONE, "only their state"),
    ],
)
def test_a_workspace_without_rules_says_the_usual(world: World, network: Network, said: str) -> None:
    made = world.workspace("net")
    with world.services.store.transaction() as tx:
        tx.workspaces.put(replace(made, isolation=Isolation(network)))
    found = {name: value for name, (value, _) in settings(text(world, "/workspaces/net/settings")).items()}
    assert (found["Runs reach"], found["Providers"], found["Identity tokens"]) == (
        said,
        "from any source",
        "none",
    )


def test_each_setting_names_its_keys_of_plangate_yml(world: World) -> None:
    world.workspace("named", require=("approved",))
    page = text(world, "/workspaces/named/settings")
    keys = dict(re.findall(r'<tr><td>([^<]+) <span class="keys">(.*?)</span></td>', page))
    assert keys["An apply needs"] == "<code>require</code>"
    assert keys["Plans by hand may"] == "<code>allowed_modes</code>"
    assert keys["Runs reach"] == "<code>network</code>, <code>egress</code>"
    assert len(keys) == len(settings(page)), "every setting has a key"
