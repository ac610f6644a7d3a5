"""Every page, rendered: what it says, which buttons it has, and that nothing hostile gets through."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import LABELS, RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.terms import MERGE_REQUESTS, PULL_REQUESTS
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.ports import Delivery
from bot.web.page import elements, wording
from tests.web.conftest import World

HOSTILE = "<script>alert(1)</script>\"'><b>"


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def buttons(page: str) -> list[str]:
    return re.findall(r"<button[^>]*>([^<]+)</button>", page.partition("<main")[2])


def planned(world: World, workspace: Workspace, **about: Any) -> Run:
    fields = {
        "status": RunStatus.PLANNED,
        "plan_status": StageStatus.FINISHED,
        "has_changes": True,
        "counts": Counts(2, 1, 1),
    }
    return world.run(workspace, **(fields | about))


# The lists


def test_without_a_workspace_the_home_page_says_what_to_do(world: World) -> None:
    assert "plangate.yml" in text(world, "/")


def test_the_home_page_shows_the_run_in_progress_else_the_latest(world: World) -> None:
    network, cluster, dns = world.workspace("network"), world.workspace("cluster"), world.workspace("dns")
    planned(world, network, message="Holds it")
    world.run(network, message="Waits behind")
    world.run(cluster, status=RunStatus.APPLIED, message="Went well")
    world.run(cluster, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, message="A preview later")
    with world.services.store.transaction() as tx:
        tx.workspaces.set_lock(dns.id, Lock("carol", "by hand", world.services.clock.now()))
    page = text(world, "/")
    assert "Holds it" in page
    assert "Waits behind" not in page
    assert "Went well" in page
    assert "A preview later" not in page
    assert "Locked by carol: by hand" in page
    assert "No runs yet" in page
    attention = text(world, "/?show=attention")
    assert "Holds it" in attention
    assert "Went well" not in attention
    assert "No workspace is in this state" in text(world, "/?show=errored")
    assert "Locked by carol" in text(world, "/?show=hold")
    assert "Holds it" in text(world, "/?show=nonsense")


def test_a_workspace_shows_its_queue_with_why_each_waits(world: World) -> None:
    workspace = world.workspace("network")
    first = planned(world, workspace)
    second = world.run(workspace, message="Second")
    page = text(world, "/workspaces/network")
    link = f'<a href="/runs/{first.id}">{first.id}</a>'
    assert f"2nd in the queue, behind {link} (needs confirmation)" in page
    assert page.index(first.id) < page.index(second.id)
    assert "Page not found" in text(world, "/workspaces/nowhere", 404)


def test_a_workspace_pages_through_its_runs_newest_first(world: World) -> None:
    workspace = world.workspace("network")
    for number in range(35):
        world.clock.pass_by(timedelta(minutes=1))
        world.run(
            workspace, status=RunStatus.APPLIED, message=f"Change number {number}.", commit=f"{number:040x}"
        )
    page = text(world, "/workspaces/network")
    assert page.index("Change number 34.") < page.index("Change number 33.")
    assert "Change number 4." not in page
    assert "page=2" in page
    older = text(world, "/workspaces/network?page=2")
    assert "Change number 4." in older
    assert "Older" not in older
    for odd in ("0", "-1", "x", "²", "9" * 5000):
        text(world, f"/workspaces/network?page={odd}")


def test_a_workspace_without_runs(world: World) -> None:
    world.workspace("live/network")
    assert "No runs here yet" in text(world, "/workspaces/live/network")


def test_deliveries_say_what_was_decided_and_why(world: World) -> None:
    assert "No deliveries yet" in text(world, "/deliveries")
    run = world.run(world.workspace())
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for name in ("d-waits", "d-made", "d-none", "d-failed", "d-tries"):
            tx.deliveries.add(Delivery(name, "hub", "push", {}, b"{}", now))
        made = DeliveryDecision(DecisionKind.RUN, "network/main.tf is in network", "network", run.id)
        tx.deliveries.handled("d-made", now, [made])
        tx.deliveries.handled(
            "d-none", now, [DeliveryDecision(DecisionKind.NOTHING, "no workspace is configured")]
        )
        tx.deliveries.handled("d-failed", now, [], "gave up")
        tx.deliveries.failed("d-tries", "the forge is down")
    page = text(world, "/deliveries")
    for words in ("Waiting", "Nothing to do", "Failed", "Trying again", "gave up", "the forge is down"):
        assert words in page
    assert f'href="/runs/{run.id}"' in page
    assert "network/main.tf is in network" in page
    assert "no workspace is configured" in page


def test_deliveries_are_paged_by_the_database(world: World) -> None:
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for number in range(51):
            at = now + timedelta(seconds=number)
            tx.deliveries.add(Delivery(f"d-{number}", "hub", "push", {}, b"{}", at))
    first = text(world, "/deliveries")
    assert "d-50" in first
    assert ">d-0<" not in first
    assert 'href="/deliveries?page=2"' in first
    second = text(world, "/deliveries?page=2")
    assert re.findall(r">(d-\d+)<", second) == ["d-0"]
    assert "Older" not in second
    assert "No older deliveries" in text(world, "/deliveries?page=3")


# Hostile text


def test_nothing_hostile_gets_through(world: World) -> None:
    workspace = world.workspace()
    run = planned(
        world,
        workspace,
        message=HOSTILE,
        created_by=HOSTILE,
        branch=HOSTILE,
        delta=HOSTILE,
        error=HOSTILE,
        change_number=3,
    )
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", HOSTILE)
        tx.runs.note(RunEvent(run.id, world.services.clock.now(), HOSTILE, HOSTILE, HOSTILE))
        tx.workspaces.set_lock(workspace.id, Lock(HOSTILE, HOSTILE, world.services.clock.now()))
        tx.deliveries.add(Delivery("d-1", "hub", HOSTILE, {}, b"", world.services.clock.now()))
        decision = DeliveryDecision(DecisionKind.RUN, HOSTILE, HOSTILE, HOSTILE)
        tx.deliveries.handled("d-1", world.services.clock.now(), [decision], HOSTILE)
    for path in ("/", "/workspaces/network", f"/runs/{run.id}", "/deliveries", f"/workspaces/{HOSTILE}"):
        page = world.client.get(path).get_data(as_text=True)
        assert "<script>alert" not in page
        assert "<b>" not in page.replace('<p class="sub"><b>', "")
        assert "alert(1)" in page or path.startswith("/workspaces/<")


def test_an_address_from_a_payload_leads_only_to_the_web() -> None:
    assert elements.web_address("javascript:alert(1)") == ""
    assert elements.web_address("https://hub.example.com/x") == "https://hub.example.com/x"


# Words


def test_times_are_told_as_seen_from_now(world: World) -> None:
    now = world.services.clock.now()
    for seconds, words in (
        (0, "just now"),
        (50, "a minute ago"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
    ):
        assert wording.moment(now - timedelta(seconds=seconds), now).words == words
    assert wording.moment(now, now).exact == "2026-11-24 12:00:00 UTC"


def test_how_a_run_began_is_told_for_every_source(world: World) -> None:
    workspace = world.workspace()
    told = set()
    for source in RunSource:
        run = world.run(
            workspace, source=source, change_number=12, status=RunStatus.CANCELED, commit=source.value
        )
        told.add(wording.how_started(run, PULL_REQUESTS))
    assert len(told) == len(RunSource)
    commented = world.run(workspace, source=RunSource.COMMENT, change_number=12, commit="b" * 40)
    assert wording.how_started(commented, MERGE_REQUESTS).endswith(" commented on !12")
    assert set(LABELS) == set(RunStatus)
