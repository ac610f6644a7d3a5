"""The page of a change: every workspace together, what an apply needs, and what differs between plans."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.errors import ForgeUnavailable
from bot.domain.events import RepoRef
from bot.domain.people.audit import AuditAction, AuditEntry, AuditResult
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Role
from bot.domain.plans.modes import Modes
from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.merge_result import MergeResult
from bot.domain.runs.run import PLAN_CODE_LENGTH, Run
from bot.domain.workspaces.workspace import PlanOf, Workspace
from bot.services.plans.views import packed
from bot.services.ports import ArtifactKind, AuditQuery, RunQuery
from bot.web.changes.recent_facts import KEPT_FOR
from tests.support.seeding import CHANGE, HEADS, Seeded, plan_json, seed, show_plans
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
    assert drawn.count('class="edge order"') == 1
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
    assert "/apply network-prod" not in network, "it needs what only the forge knows"
    command = '<code class="command">/apply cluster-prod ddddddd</code>'
    assert f"comment {command}" in section(page, "cluster-prod")
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
    assert "only the later plan" not in section(page, "cluster-prod")
    same = text(world, f"{PATH}?workspace=network-prod&before={now}&now={now}")
    assert "The two plans make the same changes" in section(same, "network-prod")
    elsewhere = seeded.runs["preview-cluster-prod"].id
    other = text(world, f"{PATH}?workspace=network-prod&before={before}&now={elsewhere}")
    assert "only the later plan" not in other


def test_a_plan_that_cannot_be_read_is_said_so(world: World, seeded: Seeded) -> None:
    before, now = (seeded.runs[f"{key}-network-prod"].id for key in ("earlier", "preview"))
    with world.services.store.transaction() as tx:
        tx.artifacts.put(now, ArtifactKind.PLAN_JSON, b"{")
    page = text(world, f"{PATH}?workspace=network-prod&before={before}&now={now}")
    assert "could not be read" in section(page, "network-prod")


def test_the_forge_is_asked_for_requirements_after_the_page(world: World, seeded: Seeded) -> None:
    with world.services.store.reading() as tx:
        record = tx.changes.get("chg-second-zone")
    with world.services.store.transaction() as tx:
        record = tx.changes.put(replace(record, change=replace(record.change, asked=("ben", "acme/net"))))
    world.forge.add_change(record.change)
    page = text(world, PATH)
    assert "@ben" not in page
    assert "Not asked</span> approved" in section(page, "network-prod")
    assert "Asking the forge" in section(page, "network-prod")
    assert 'src="/static/change-needs.js"' in page
    assert f'<noscript><p class="sub"><a href="{PATH}?ask=forge">' in page
    found = re.search(r'data-needs-url="([^"]+)"', page)
    assert found
    for asked in (text(world, found[1]), section(text(world, f"{PATH}?ask=forge"), "network-prod")):
        assert "Missing</span> approved" in asked
        assert "nobody with write access" in asked
        assert "has approved the latest commit (asked: @ben, @acme/net)" in asked
        assert "/apply network-prod" not in asked
    assert "<html" not in text(world, found[1])


def test_a_forge_that_is_away_is_said_so_and_the_rest_is_shown(world: World, seeded: Seeded) -> None:
    world.forge.fail(ForgeUnavailable("hub did not answer"), times=20)
    for page in (text(world, f"{PATH}?ask=forge"), text(world, f"{PATH}/needs")):
        assert "Can't reach the forge" in page
        assert "/apply network-prod" not in page
        assert f"/apply cluster-prod {'d' * 7}" in page, "it needs nothing of the forge"


def test_a_workspace_lists_what_is_done_destroys_first(world: World, seeded: Seeded) -> None:
    run = seeded.runs["preview-network-prod"]
    document = json.loads(plan_json(*(f"aws_subnet.n{number:03}" for number in range(110))))
    gone = json.loads(plan_json("aws_vpc.zz", action="delete"))
    document["resource_changes"] += gone["resource_changes"]
    with world.services.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(document).encode())
    network = section(raw(world, PATH), "network-prod").partition("data-needs")[0]
    addresses = re.findall(r"<code>(aws_[^<]+)</code>", network)
    assert addresses[:2] == ["aws_vpc.zz", "aws_subnet.n000"]
    assert len(addresses) == 100
    assert "<summary>88 more</summary>" in network
    assert f'<a href="/runs/{run.id}#resources">11 more in the run</a>' in network


def test_a_page_with_very_many_changes_only_counts_them(world: World, seeded: Seeded) -> None:
    run = seeded.runs["preview-network-prod"]
    with world.services.store.transaction() as tx:
        tx.runs.save(replace(tx.runs.get(run.id), counts=Counts(9000, 0, 0)))
    network = section(text(world, PATH), "network-prod")
    assert "9,000 changes: see them in the run" in network


def test_a_command_in_order_is_named_only_if_every_workspace_in_it_may_be_applied(
    world: World, seeded: Seeded
) -> None:
    known(world)
    network = seeded.workspaces["network-prod"]
    cluster = replace(seeded.workspaces["cluster-prod"], depends_on=("network-*",))
    with world.services.store.transaction() as tx:
        tx.workspaces.put(cluster)
    waiting = section(text(world, PATH), "cluster-prod")
    assert "Asking the forge" in waiting
    assert "/apply" not in waiting
    refused = section(text(world, f"{PATH}?ask=forge"), "cluster-prod")
    assert "network-prod can't be applied now: approved: nobody with write access" in refused
    assert "/apply" not in refused
    draft(world, True, network, "not_draft")
    refused = section(text(world, PATH), "cluster-prod")
    assert "network-prod can't be applied now: not_draft: it is a draft" in refused
    assert "/apply" not in refused
    draft(world, False, network, "not_draft")
    assert "/apply network-prod " in section(text(world, PATH), "cluster-prod")


def draft(world: World, is_draft: bool, workspace: Workspace, *require: str) -> None:
    """Make the change a draft or none, with other requirements of a workspace."""
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        tx.changes.put(replace(record, change=replace(record.change, draft=is_draft)))
        tx.workspaces.put(replace(workspace, require=require))


def test_moves_count_towards_the_limit_of_the_page(world: World, seeded: Seeded) -> None:
    run = seeded.runs["preview-cluster-prod"]
    document = json.loads(plan_json(*(f"aws_subnet.n{number}" for number in range(5001)), action="no-op"))
    for each in document["resource_changes"]:
        each["previous_address"] = f"{each['address']}_old"
    with world.services.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(document).encode())
        tx.runs.save(replace(tx.runs.get(run.id), counts=Counts()))
    for _ in range(2):
        page = text(world, PATH)
        assert "5,001 changes: see them in the run" in section(page, "cluster-prod")
        assert "see them in the run" in section(page, "network-prod"), "nothing is left for it"


def test_a_plan_is_not_read_again_while_its_run_is_the_same(world: World, seeded: Seeded) -> None:
    run = seeded.runs["preview-network-prod"]
    listed = re.findall(r"<code>(aws_[^<]+)</code>", section(raw(world, PATH), "network-prod"))
    with world.services.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, packed(json.loads(plan_json("aws_vpc.other")), ()))
    again = re.findall(r"<code>(aws_[^<]+)</code>", section(raw(world, PATH), "network-prod"))
    assert listed
    assert again == listed
    with world.services.store.transaction() as tx:
        tx.runs.save(tx.runs.get(run.id))
    assert "<code>aws_vpc.other</code>" in section(raw(world, PATH), "network-prod")


# --- asking the forge ---------------------------------------------------------------------------------------


def needs_url(world: World) -> str:
    found = re.search(r'data-needs-url="([^"]+)"', text(world, PATH))
    assert found
    return found[1]


def test_all_who_look_at_a_change_share_what_the_forge_said(world: World, seeded: Seeded) -> None:
    known(world)
    olga = world.visitor("olga")
    for client in (world.client, olga, world.client):
        assert "Missing</span> approved" in client.get(f"{PATH}/needs").get_data(as_text=True)
    assert world.forge.calls.count("reviews") == 1
    world.clock.pass_by(KEPT_FOR)
    text(world, f"{PATH}/needs")
    assert world.forge.calls.count("reviews") == 2
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        tx.changes.put(replace(record, change=replace(record.change, head_sha="9" * 40)))
    text(world, f"{PATH}/needs")
    assert world.forge.calls.count("reviews") == 3, "what was said of another commit does not count"


def test_the_forge_is_not_asked_about_a_closed_change(world: World, seeded: Seeded) -> None:
    known(world)
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        tx.changes.put(replace(record, change=replace(record.change, open=False)))
    text(world, f"{PATH}/needs")
    assert "reviews" not in world.forge.calls


def test_the_forge_is_asked_again_when_a_run_ends_not_at_each_of_its_stages(
    world: World, seeded: Seeded
) -> None:
    run = world.run(
        seeded.workspaces["billing"], status=RunStatus.FETCHING, plan_only=True,
        commit=HEADS[5], change_number=CHANGE,
    )  # fmt: skip
    before = needs_url(world)
    for status, same in ((RunStatus.PLANNING, True), (RunStatus.PLANNED_AND_FINISHED, False)):
        with world.services.store.transaction() as tx:
            tx.runs.save(replace(tx.runs.get(run.id), status=status))
        assert (needs_url(world) == before) is same


def test_an_error_of_our_own_is_not_called_a_forge_that_is_gone(world: World, seeded: Seeded) -> None:
    known(world)
    world.forge.fail(KeyError("a defect"), on="reviews")
    answer = world.client.get(f"{PATH}/needs")
    assert answer.status_code == 500
    assert "no longer configured" not in answer.get_data(as_text=True)


# --- the buttons --------------------------------------------------------------------------------------------


def known(world: World, **about: Any) -> None:
    """Have the forge know the change as the database does."""
    with world.services.store.reading() as tx:
        world.forge.add_change(replace(tx.changes.get("chg-second-zone").change, **about))


def press(
    world: World, client: FlaskClient, name: str, code: str = "d" * PLAN_CODE_LENGTH, **more: str
) -> TestResponse:
    token = world.form_token(PATH, client)
    data = {"form_token": token, "workspace": name, "code": code, **more}
    return client.post(f"{PATH}/apply", data=data)


def applying(world: World, seeded: Seeded, name: str) -> list[Run]:
    with world.services.store.reading() as tx:
        query = RunQuery(workspace_id=seeded.workspaces[name].id, change_number=CHANGE, limit=None)
        return [run for run in tx.runs.find(query) if not run.plan_only]


def lines(world: World) -> list[AuditEntry]:
    with world.services.store.reading() as tx:
        return [line for line in tx.audit.find(AuditQuery()) if line.deed is AuditAction.APPLY]


@pytest.mark.parametrize("whole", [None, False])
def test_the_button_applies_no_plan_that_the_comment_has_not_shown_whole(
    world: World, seeded: Seeded, whole: bool | None
) -> None:
    """Promise 1: the code is in the button, so it does not say that somebody has seen the plan."""
    known(world)
    before, button = needs_url(world), 'name="code" value="ddddddd"'
    assert button in section(raw(world, PATH), "cluster-prod")
    show_plans(world, *([] if whole is None else [seeded.runs["preview-cluster-prod"]]), whole=False)
    page = section(raw(world, PATH), "cluster-prod")
    assert button not in page
    assert "/apply cluster-prod ddddddd" in page, "whoever types the code has seen the plan"
    assert needs_url(world) != before, "an open page asks again once the comment shows the plan"
    answer = press(world, world.visitor("wren", Role.WRITE), "cluster-prod")
    why = "was not shown here yet" if whole is None else "look at it on"
    assert (answer.status_code, why in answer.get_data(as_text=True)) == (409, True)
    assert applying(world, seeded, "cluster-prod") == []


def test_a_page_renews_itself_until_the_comment_tells_of_its_plans(world: World, seeded: Seeded) -> None:
    """Its buttons come with the forge's answer to the comment, which is no step of a run."""
    plans = [run for run in seeded.runs.values() if run.plan_only]
    for whole in (True, False):
        show_plans(world)
        assert "data-live" in raw(world, PATH)
        show_plans(world, *plans, whole=whole)
        assert "data-live" not in raw(world, PATH)


def test_a_plan_that_destroys_everything_is_applied_only_with_the_name_of_its_workspace(
    world: World, seeded: Seeded
) -> None:
    known(world)
    with world.services.store.transaction() as tx:
        run = tx.runs.get(seeded.runs["preview-cluster-prod"].id)
        tx.runs.save(replace(run, modes=Modes(destroy=True)))
    assert "To confirm, type <code>cluster-prod</code>" in section(raw(world, PATH), "cluster-prod")
    wren = world.visitor("wren", Role.WRITE)
    refused = press(world, wren, "cluster-prod", named="cluster")
    assert refused.status_code == 400
    assert "type the name of the workspace, cluster-prod" in refused.get_data(as_text=True)
    assert applying(world, seeded, "cluster-prod") == []
    assert press(world, wren, "cluster-prod", named="cluster-prod").status_code == 303
    assert len(applying(world, seeded, "cluster-prod")) == 1


def test_the_button_is_no_code_that_somebody_typed(world: World, seeded: Seeded) -> None:
    known(world)
    with world.services.store.transaction() as tx:
        place = tx.workspaces.named("cluster-prod")
        tx.workspaces.put(replace(place, require=("plan_code",)))
    answer = press(world, world.visitor("wren", Role.WRITE), "cluster-prod")
    assert (answer.status_code, "plan_code" in answer.get_data(as_text=True)) == (409, True)


def test_the_button_applies_the_plan_on_the_page_as_the_comment_does(world: World, seeded: Seeded) -> None:
    known(world)
    wren = world.visitor("wren", Role.WRITE)
    page = section(wren.get(PATH).get_data(as_text=True), "cluster-prod")
    assert "destroys 1" in page
    assert '<input type="hidden" name="code" value="ddddddd">' in page
    answer = press(world, wren, "cluster-prod")
    assert (answer.status_code, answer.location) == (303, PATH)
    assert press(world, wren, "cluster-prod").status_code == 303, "pressed twice, it is pressed once"
    (run,) = applying(world, seeded, "cluster-prod")
    shown = seeded.runs["preview-cluster-prod"]
    assert run.approval is not None
    assert (run.approval.by, run.approval.shown_run_id, run.approval.digest) == (
        "wren",
        shown.id,
        shown.digest,
    )
    with world.services.store.reading() as tx:
        record = tx.approvals.get(run.approval.id)
    assert (record.by, record.role, record.shown_run_id, record.run_id) == (
        "wren",
        Role.WRITE,
        shown.id,
        run.id,
    )
    (line,) = lines(world)
    assert (line.login, line.via, line.subject, line.detail) == (
        "wren", Via.PAGE, run.id, "/apply cluster-prod ddddddd",
    )  # fmt: skip


def test_a_plan_that_is_not_the_one_on_the_page_is_not_applied(world: World, seeded: Seeded) -> None:
    known(world)
    for code, status, why in (
        ("e" * PLAN_CODE_LENGTH, 409, "the plan that can be applied now is ddddddd, not eeeeeee"),
        ("", 400, "reload the page"),
        ("d", 400, "reload the page"),
    ):
        answer = press(world, world.client, "cluster-prod", code)
        assert answer.status_code == status
        assert why in html.unescape(answer.get_data(as_text=True))
    known(world, head_sha="9" * 40)
    answer = press(world, world.client, "cluster-prod")
    assert (answer.status_code, "a newer commit was pushed" in answer.get_data(as_text=True)) == (409, True)
    assert applying(world, seeded, "cluster-prod") == []
    assert {line.ending for line in lines(world)} == {AuditResult.REFUSED}


def test_requirements_hold_for_the_button(world: World, seeded: Seeded) -> None:
    known(world)
    answer = press(world, world.client, "network-prod")
    assert answer.status_code == 409
    assert "network-prod is not ready to be applied: approved: " in answer.get_data(as_text=True)
    assert applying(world, seeded, "network-prod") == []
    failed = press(world, world.client, "billing")
    assert "the plan of the latest commit failed" in failed.get_data(as_text=True)


def test_the_button_tells_nobody_which_workspaces_other_repositories_have(
    world: World, seeded: Seeded
) -> None:
    known(world)
    world.workspace("secret", RepoRef("hub", "acme/secret"))
    wren = world.visitor("wren", Role.WRITE)
    for name in ("secret", "dns", "nowhere"):
        answer = press(world, wren, name)
        assert answer.status_code == 409
        assert f"this change does not touch {name}" in answer.get_data(as_text=True)


def test_a_forge_that_is_away_applies_nothing(world: World, seeded: Seeded) -> None:
    token = world.form_token(PATH)
    world.forge.fail(ForgeUnavailable("hub did not answer"), times=20)
    data = {"form_token": token, "workspace": "cluster-prod", "code": "d" * PLAN_CODE_LENGTH}
    answer = world.client.post(f"{PATH}/apply", data=data)
    assert (answer.status_code, "hub did not answer" in answer.get_data(as_text=True)) == (503, True)
    assert applying(world, seeded, "cluster-prod") == []


def test_only_people_who_may_apply_have_the_button(world: World, seeded: Seeded) -> None:
    known(world)
    rea = world.visitor("rea", Role.READ)
    page = section(rea.get(PATH).get_data(as_text=True), "cluster-prod")
    assert "/apply" in page
    assert "somebody with write access may comment" in page
    assert '<form method="post"' not in page
    sent = {
        "form_token": world.form_token("/variable-sets", rea),
        "workspace": "cluster-prod",
        "code": "d" * 7,
    }
    assert rea.post(f"{PATH}/apply", data=sent).status_code == 403
    assert applying(world, seeded, "cluster-prod") == []


def test_no_command_is_named_that_would_be_refused(world: World, seeded: Seeded) -> None:
    assert "/plan billing" in section(text(world, PATH), "billing")
    with world.services.store.transaction() as tx:
        merge = MergeResult("main", "1a2b3c4d5e", "", conflicts=("b.tf",))
        tx.changes.put(replace(tx.changes.get("chg-second-zone"), merge=merge))
        for place in seeded.workspaces.values():
            tx.workspaces.put(replace(place, merging=replace(place.merging, plan_of=PlanOf.MERGE)))
    for name in ("billing", "cluster-prod"):
        part = section(text(world, PATH), name)
        assert f"/plan {name}" not in part
        assert f"/apply {name}" not in part
        assert "onflict" in part


def test_a_forge_that_is_no_longer_configured_breaks_nothing(world: World, seeded: Seeded) -> None:
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        gone = replace(record.change, repo=replace(record.change.repo, forge="gone"))
        tx.changes.put(replace(record, id="chg-gone", change=gone))
    olga = world.visitor("olga")
    for path in ("/changes/chg-gone", "/changes/chg-gone/needs"):
        assert olga.get(path).status_code == 200
    token = world.form_token("/variable-sets", olga)
    sent = {"form_token": token, "workspace": "cluster-prod", "code": "d" * PLAN_CODE_LENGTH}
    answer = olga.post("/changes/chg-gone/apply", data=sent)
    assert (answer.status_code, "no longer configured" in answer.get_data(as_text=True)) == (409, True)


def test_a_waiting_run_is_confirmed_on_the_page(world: World, seeded: Seeded) -> None:
    known(world)
    run = world.run(
        seeded.workspaces["cluster-prod"], status=RunStatus.PLANNED, plan_status=StageStatus.FINISHED,
        has_changes=True, counts=Counts(1, 0, 2), commit=HEADS[5], change_number=CHANGE, digest="a" * 64,
    )  # fmt: skip
    page = section(raw(world, PATH), "cluster-prod")
    assert f'action="/runs/{run.id}/confirm"' in page
    assert "Confirm &amp; Apply" in page
    assert '<strong class="loud">destroys 2</strong>' in page


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
