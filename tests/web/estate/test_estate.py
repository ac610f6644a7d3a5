"""The picture of the estate: what is drawn, what is counted, and who sees it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from bot.domain.events import RepoRef
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunEvent
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.workspace import Workspace
from bot.web.estate.groups import MOST_DRAWN, MOST_IN_A_GROUP
from tests.web.conftest import World

OTHER = RepoRef("hub", "acme/vault")


def text(world: World, path: str = "/estate", client: FlaskClient | None = None) -> str:
    answer = (client or world.client).get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return " ".join(html.unescape(answer.get_data(as_text=True)).split())


def drawn(page: str) -> list[str]:
    return re.findall(r'<a href="/workspaces/[^"]+" aria-label="([^":]+): ', page)


def timed(world: World, workspace: Workspace, plan: int, apply: int) -> None:
    run = world.run(workspace, status=RunStatus.APPLIED, plan_status=StageStatus.FINISHED)
    at = world.clock.now()
    with world.services.store.transaction() as tx:
        for kind, seconds in (("planning", plan), ("planned", 5), ("applying", apply), ("applied", 0)):
            tx.runs.note(RunEvent(run.id, at, kind, "", ""))
            at += timedelta(seconds=seconds)


def test_connected_workspaces_are_drawn_and_told_with_their_state_and_others_counted(world: World) -> None:
    network = world.workspace("network", share_state_with=("app",))
    world.workspace(
        "app", depends_on=("network",), inputs=(Input("v", "network", "vpc_id"),), run_triggers=("dns",)
    )
    world.workspace("dns")
    world.workspace("archive")
    world.run(network, status=RunStatus.ERRORED)
    page = text(world)
    assert sorted(drawn(page)) == ["app", "dns", "network"]
    assert 'aria-label="network: Errored"' in page
    assert 'class="node bad"' in page
    for kind in ("order", "output", "state", "trigger"):
        assert page.count(f'class="edge {kind}" d="M1') == 1
    assert (
        "applied after network; gets outputs of network.vpc_id; may read the state of network; runs after dns"
    ) in page
    assert "1 workspace is connected with no other." in page
    assert "4 workspaces" in page


def test_a_group_is_found_by_the_name_of_a_workspace_or_its_repository(world: World) -> None:
    world.workspace("network")
    world.workspace("app", depends_on=("network",))
    world.workspace("safe", repo=OTHER)
    world.workspace("keys", repo=OTHER, depends_on=("safe",))
    assert sorted(drawn(text(world, "/estate?q=APP"))) == ["app", "network"]
    assert sorted(drawn(text(world, "/estate?q=acme/vault"))) == ["keys", "safe"]
    nothing = text(world, "/estate?q=<b>nowhere")
    assert drawn(nothing) == []
    assert "<b>nowhere" not in world.client.get("/estate?q=<b>nowhere").get_data(as_text=True)


def test_people_see_only_the_workspaces_and_runs_of_repositories_that_they_may_read(world: World) -> None:
    world.workspace("network")
    world.workspace("app", depends_on=("network",), run_triggers=("safe",))
    safe = world.workspace("safe", repo=OTHER)
    timed(world, safe, 30, 30)
    rea = world.visitor("rea", Role.READ)
    page = text(world, client=rea)
    assert sorted(drawn(page)) == ["app", "network"]
    assert "safe" not in page
    assert "2 workspaces" in page
    assert "No run in these weeks" in page
    assert "How long plans and applies take" not in page
    assert "safe" in text(world)
    nobody = text(world, client=world.visitor("nora"))
    assert "You have no workspaces here yet" in nobody


def test_runs_are_shown_by_day_and_lead_to_the_runs_of_that_day(world: World) -> None:
    network = world.workspace("network")
    world.run(network, status=RunStatus.APPLIED)
    world.run(network, status=RunStatus.ERRORED)
    world.run(network, status=RunStatus.DISCARDED, created_at=world.clock.now() - timedelta(days=27))
    world.run(network, status=RunStatus.APPLIED, created_at=world.clock.now() - timedelta(days=28))
    page = text(world)
    assert "3 runs, 1 applied, 1 errored" in page, "the one of four weeks ago is not among them"
    bars = re.findall(r'<a href="(/runs\?since[^"]+)" aria-label="([^"]+)"', page)
    assert len(bars) == 28
    assert bars[-1] == (
        "/runs?since=2026-11-24&until=2026-11-24", "Nov 24: 2 runs, 1 applied, 1 errored",
    )  # fmt: skip
    assert bars[0][1] == "Oct 28: 1 run, 0 applied, 0 errored"
    assert bars[1][1] == "Oct 29: 0 runs"
    assert world.client.get(bars[-1][0]).get_data(as_text=True).count('class="cover"') == 2


def test_lengths_are_told_by_week_and_for_the_slowest_workspaces(world: World) -> None:
    network, slow = world.workspace("network"), world.workspace("slow")
    for length in (10, 20, 30):
        timed(world, network, length, 2 * length)
    world.clock.pass_by(-timedelta(days=7))
    timed(world, slow, 600, 60)
    world.clock.pass_by(timedelta(days=7))
    page = re.sub("<[^>]+>", " ", text(world))
    page = re.sub(r"\s+", " ", page)
    assert "Nov 18 to Nov 24 20 s · 9 of 10 in 30 s · 3 plans" in page
    assert "40 s · 9 of 10 in 1 min 0 s · 3 applies" in page
    assert "Nov 11 to Nov 17 10 min 0 s" in page
    slowest = page.partition("Slowest plans")[2]
    assert slowest.index("slow") < slowest.index("network")


def queries(world: World) -> tuple[int, str]:
    asked: list[str] = []

    def note(*about: Any) -> None:
        asked.append(about[2])

    engine = world.services.store._engine  # type: ignore[attr-defined]
    sa.event.listen(engine, "before_cursor_execute", note)
    page = text(world)
    sa.event.remove(engine, "before_cursor_execute", note)
    return len(asked), page


def test_two_thousand_workspaces_are_drawn_within_bounds_by_as_many_queries_as_two(world: World) -> None:
    first = world.workspace("aaa")
    world.workspace("bbb", depends_on=("aaa",))
    few, _ = queries(world)
    with world.services.store.transaction() as tx:
        for number in range(2000):
            # One workspace that a thousand depend on; five hundred pairs.
            leads = "aaa" if number < 1000 else f"w{number - 1:04}" if number % 2 else ""
            tx.workspaces.put(
                Workspace(
                    f"ws-{number:04}", f"w{number:04}", first.repo, working_directory=f"d/{number}",
                    depends_on=(leads,) if leads else (),
                )
            )  # fmt: skip
    failed = world.run(Workspace("ws-0777", "w0777", first.repo), status=RunStatus.ERRORED)
    many, page = queries(world)
    assert many == few
    shown = drawn(page)
    assert len(shown) == MOST_DRAWN
    assert shown[0] == "aaa"
    assert "w0777" in shown, f"{failed.id} errored: its workspace comes before those that are well"
    assert f"And {1002 - MOST_IN_A_GROUP:,} more." in page
    assert "440 more groups of 880 workspaces: search to see them." in page
