"""The page of a change: every workspace together, what an apply needs, and what differs between plans."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.merge_result import MergeResult
from bot.services.ports import ArtifactKind
from tests.support.seeding import CHANGE, HEADS, Seeded, seed
from tests.web.conftest import World

PATH = "/changes/chg-second-zone"


@pytest.fixture
def seeded(world: World) -> Seeded:
    return seed(world)


def raw(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def text(world: World, path: str, status: int = 200) -> str:
    return html.unescape(raw(world, path, status))


def section(page: str, name: str) -> str:
    return next(
        part for part in page.split('<section class="card touched"')[1:] if f">{name}</a></h2>" in part
    )


def test_the_order_of_the_applies_is_drawn(world: World, seeded: Seeded) -> None:
    assert "Order of the applies" not in raw(world, PATH)
    with world.services.store.reading() as tx:
        cluster = tx.workspaces.named("cluster-prod")
    with world.services.store.transaction() as tx:
        tx.workspaces.put(replace(cluster, depends_on=("network-*",)))
    page = text(world, PATH)
    drawn = page.partition("Order of the applies")[2].partition("</svg>")[0]
    assert 'aria-label="network-prod → cluster-prod"' in drawn
    assert re.findall(r"<text x=\"(\d+)\" y=\"\d+\">([^<]+)</text>", drawn) == [
        ("12", "network-prod"),
        ("262", "cluster-prod"),
    ]
    assert drawn.count('class="edge"') == 1
    assert "billing" not in drawn
    assert f'href="#{cluster.id}"' in drawn


def test_every_workspace_of_the_change_stands_on_one_page(world: World, seeded: Seeded) -> None:
    page = text(world, PATH)
    assert "1 of 3 failed: billing" in page
    assert re.findall(r'-name"><a href="/workspaces/([^"]+)"', page) == [
        "billing",
        "cluster-prod",
        "network-prod",
    ]
    network, billing = section(page, "network-prod"), section(page, "billing")
    assert "/apply network-prod" in network
    assert "because network-prod/main.tf is in network-prod/" in network
    assert "Out of date</span> by ben" in network
    assert "a newer commit was pushed" in network
    assert "Plan errored" in billing
    assert f'href="/runs/{seeded.runs["preview-billing"].id}"' in billing
    commits = page.partition("<h2>Commits</h2>")[2]
    assert commits.index(HEADS[5][:7]) < commits.index(HEADS[4][:7])


def test_two_plans_of_a_workspace_are_compared(world: World, seeded: Seeded) -> None:
    before, now = (seeded.runs[f"{key}-network-prod"].id for key in ("earlier", "preview"))
    page = text(world, f"{PATH}?workspace=network-prod&before={before}&now={now}")
    network = section(page, "network-prod")
    assert "aws_route_table.b" in network
    assert "only the later plan does this" in network
    assert "aws_route_table.b" not in section(page, "cluster-prod")
    same = text(world, f"{PATH}?workspace=network-prod&before={now}&now={now}")
    assert "The two plans make the same changes" in section(same, "network-prod")
    elsewhere = seeded.runs["preview-cluster-prod"].id
    other = text(world, f"{PATH}?workspace=network-prod&before={before}&now={elsewhere}")
    assert "aws_route_table" not in other


def test_a_plan_that_cannot_be_read_is_said_so(world: World, seeded: Seeded) -> None:
    before, now = (seeded.runs[f"{key}-network-prod"].id for key in ("earlier", "preview"))
    with world.services.store.transaction() as tx:
        tx.artifacts.put(now, ArtifactKind.PLAN_JSON, b"{")
    page = text(world, f"{PATH}?workspace=network-prod&before={before}&now={now}")
    assert "could not be read" in section(page, "network-prod")


def test_the_forge_is_asked_for_requirements_on_demand_alone(world: World, seeded: Seeded) -> None:
    repo = seeded.workspaces["network-prod"].repo
    with world.services.store.reading() as tx:
        world.forge.add_change(tx.changes.get("chg-second-zone").change)
    page = text(world, PATH)
    assert "Not asked</span> approved" in section(page, "network-prod")
    assert f'href="{PATH}?ask=forge#' in page
    asked = section(text(world, f"{PATH}?ask=forge"), "network-prod")
    assert "Missing</span> approved" in asked
    assert "nobody with write access" in asked
    assert repo.forge == "hub"


def test_a_forge_that_is_away_is_said_so_and_the_rest_is_shown(world: World, seeded: Seeded) -> None:
    world.forge.fail(ForgeUnavailable("hub did not answer"), times=20)
    page = text(world, f"{PATH}?ask=forge")
    assert "Can't reach the forge" in page
    assert "/apply network-prod" in page


def test_what_was_never_seen_is_not_found_and_a_number_leads_there(world: World, seeded: Seeded) -> None:
    text(world, "/changes/chg-nowhere", 404)
    answer = world.client.get(f"/workspaces/network-prod/changes/{CHANGE}")
    assert (answer.status_code, answer.location) == (303, PATH)
    for odd in ("999", "x", "9" * 400, "-1"):
        text(world, f"/workspaces/network-prod/changes/{odd}", 404)
    assert f'href="/workspaces/network-prod/changes/{CHANGE}"' in text(world, "/workspaces/network-prod")
    run = seeded.runs["preview-network-prod"]
    assert f'href="/workspaces/network-prod/changes/{CHANGE}"' in text(world, f"/runs/{run.id}")


def test_nothing_hostile_gets_through(world: World, seeded: Seeded) -> None:
    evil = "<script>alert(1)</script>\"'><b>"
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        change = replace(record.change, title=evil, author=evil, head_branch=evil, url=f"javascript:{evil}")
        tx.changes.put(replace(record, change=change, note=evil, reasons=(("network-prod", evil),)))
    world.run(
        seeded.workspaces["billing"], status=RunStatus.ERRORED, plan_status=StageStatus.ERRORED, error=evil,
        plan_only=True, commit=HEADS[5], change_number=CHANGE, message=evil, created_by=evil,
    )  # fmt: skip
    page = raw(world, PATH)
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert 'href="javascript' not in page


@pytest.mark.parametrize(
    ("merge", "said"),
    [
        (MergeResult("main", "1a2b3c4d5e", "f" * 40), "main at 1a2b3c4"),
        (
            MergeResult("main", "1a2b3c4d5e", "", conflicts=("net/<b>.tf", "b.tf")),
            "Conflicts with main in 2 files: nothing is planned (net/<b>.tf, b.tf)",
        ),
    ],
)
def test_the_page_says_what_the_change_is_on_top_of(
    world: World, seeded: Seeded, merge: MergeResult, said: str
) -> None:
    with world.services.store.transaction() as tx:
        tx.changes.put(replace(tx.changes.get("chg-second-zone"), merge=merge))
    assert said in text(world, PATH)
    assert "<b>.tf" not in raw(world, PATH)


def test_the_page_of_a_run_says_which_merge_it_plans(world: World, seeded: Seeded) -> None:
    run = seeded.runs["preview-network-prod"]
    with world.services.store.transaction() as tx:
        merge = MergeResult("main", "1a2b3c4d5e", "abcdef1234")
        tx.runs.save(replace(tx.runs.get(run.id), merge=merge))
    page = text(world, f"/runs/{run.id}")
    assert "main at 1a2b3c4" in page
    assert "abcdef1" in page
