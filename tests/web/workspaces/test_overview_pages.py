"""The list of workspaces: narrowed, searched, sorted, in parts; and what it says of each."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.web.workspaces.build import PER_PAGE
from tests.web.conftest import World

NOT_COUNTED = "Commits that touch nothing here don't count."


def text(world: World, path: str) -> str:
    answer = world.client.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def names(page: str) -> list[str]:
    return re.findall(r'class="cover" href="/workspaces/([^"]+)"', page)


def links(page: str) -> dict[str, str]:
    return dict(re.findall(r'<a href="([^"]+)"[^>]*>([^<]+?) ?<span>', page))


def test_the_list_is_searched_and_the_filters_keep_what_is_searched_for(world: World) -> None:
    for name in ("network-prod", "network-staging", "dns"):
        world.workspace(name, branch="main")
    world.run(world.workspace("network-old", branch="main"), status=RunStatus.ERRORED)
    page = text(world, "/?q=NETWORK+acme&sort=latest")
    assert names(page) == ["network-old", "network-prod", "network-staging"]
    assert 'value="NETWORK acme"' in page
    errored = next(url for url, label in links(page).items() if label == "Errored")
    assert errored == "/?show=errored&q=NETWORK+acme&sort=latest"
    assert names(text(world, errored)) == ["network-old"]
    nothing = text(world, "/?q=<b>nowhere")
    assert "No workspace matches “<b>nowhere”" in nothing
    assert "<b>" in nothing.partition("matches")[2], "unescaped here by the test alone"
    assert "<b>nowhere" not in world.client.get("/?q=<b>nowhere").get_data(as_text=True)


def test_the_list_is_grouped_and_a_group_leads_to_itself(world: World) -> None:
    world.workspace("net", project="shop", team="platform", tags=("prod", "pci"))
    world.workspace("app", project="shop", tags=("dev", "pci"))
    world.workspace("dns", team="platform")

    def groups(page: str) -> list[tuple[str, list[str]]]:
        parts = re.split(r'<h2 class="group">', page)[1:]
        return [(re.sub("<[^>]+>", "", part.partition("</h2>")[0]), names(part)) for part in parts]

    assert groups(text(world, "/")) == []
    assert groups(text(world, "/?by=nothing")) == []
    assert groups(text(world, "/?by=project")) == [("shop", ["app", "net"]), ("No project", ["dns"])]
    assert groups(text(world, "/?by=team")) == [("platform", ["dns", "net"]), ("No team", ["app"])]
    by_tag = text(world, "/?by=tag&sort=latest")
    assert groups(by_tag) == [("dev", ["app"]), ("prod", ["net"]), ("No tag", ["dns"])]
    assert 'href="/?sort=latest&by=tag&only=prod"' in by_tag
    [(repository, found)] = groups(text(world, "/?by=repository"))
    assert (repository, found) == ("acme/infra", ["app", "dns", "net"])
    only = text(world, "/?by=tag&only=pci")
    assert names(only) == ["app", "net"], "it has every workspace with the tag, not only with it first"
    assert "Only the tag <strong>pci</strong>" in only
    assert names(text(world, "/?by=team&only=platform&q=net")) == ["net"]
    assert names(text(world, "/?by=project&only=sho")) == []


def test_project_team_and_tags_are_searched(world: World) -> None:
    world.workspace("net", project="shop", team="platform", tags=("prod",))
    world.workspace("dns")
    for word in ("shop", "PLATFORM", "prod"):
        assert names(text(world, f"/?q={word}")) == ["net"]


def test_the_list_comes_in_parts(world: World) -> None:
    made = [f"ws-{number:03}" for number in range(2 * PER_PAGE + 1)]
    for name in made:
        world.workspace(name)
    assert names(text(world, "/")) == made[:PER_PAGE]
    second = text(world, "/?page=2")
    assert names(second) == made[PER_PAGE : 2 * PER_PAGE]
    assert "51 to 100 of 101" in second
    assert names(text(world, "/?page=3")) == made[-1:]
    assert "No more workspaces" in text(world, "/?page=4")


def test_the_latest_come_first_where_that_is_asked_for(world: World) -> None:
    for name in ("a", "b", "c"):
        world.services.clock.wait(timedelta(minutes=1))
        world.run(world.workspace(name), status=RunStatus.APPLIED)
    assert names(text(world, "/")) == ["a", "b", "c"]
    assert names(text(world, "/?sort=latest")) == ["c", "b", "a"]


def test_each_says_what_was_applied_and_whether_the_branch_went_on(world: World) -> None:
    def applied(name: str, **about: Any) -> tuple[Workspace, Run]:
        place = world.workspace(name, branch="main")
        return place, world.run(place, **({"status": RunStatus.APPLIED, "commit": "a" * 40} | about))

    behind, run = applied("behind")
    for commit in ("b" * 40, "c" * 40):
        world.run(behind, status=RunStatus.ERRORED, commit=commit, source=RunSource.PUSH)
    applied("current", source=RunSource.PUSH)
    applied("from-change", change_number=7)
    world.run(world.workspace("never"), status=RunStatus.ERRORED)
    world.workspace("untouched")
    page = text(world, "/")
    found = {
        name: re.findall(r'class="stand (\w+) lift" title="([^"]*)".*?</svg>([^<]+)</p>', part)
        for name, part in re.findall(r'class="cover" href="/workspaces/([^"]+)"(.*?)</li>', page, re.DOTALL)
    }
    assert found == {
        "behind": [
            (
                "ask",
                f"aaaaaaa is in effect; 2 newer commits of main made runs here. {NOT_COUNTED}",
                "2 commits behind",
            )
        ],
        "current": [
            (
                "good",
                f"aaaaaaa is in effect; no newer commit of main made a run here. {NOT_COUNTED}",
                "Up to date",
            )
        ],
        "from-change": [
            ("wait", "aaaaaaa of #7 is in effect; no newer commit of main made a run here.", "From #7")
        ],
        "never": [("off", "Nothing has been applied here yet.", "Never applied")],
        "untouched": [],
    }
    assert f'<a href="/runs/{run.id}"><code>aaaaaaa</code></a>' in page
