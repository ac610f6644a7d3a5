"""Every page, rendered: what it says, which buttons it has, and that nothing hostile gets through."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.events import Change
from bot.domain.lifecycle import LABELS, RunStatus, StageStatus
from bot.domain.permissions import Person, Role
from bot.domain.plan import Counts
from bot.domain.run import Approval, Modes, RunEvent, RunSource
from bot.domain.words import MERGE_REQUESTS, PULL_REQUESTS
from bot.domain.workspace import Lock
from bot.services.ports import ArtifactKind, ChangeRecord, Delivery
from bot.web import run_page, wording
from bot.web.output import MOST_LINES, harmless, lines_of

HOSTILE = "<script>alert(1)</script>\"'><b>"


def text(world, path, status=200):
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def buttons(page):
    return re.findall(r"<button[^>]*>([^<]+)</button>", page.partition("<main")[2])


def planned(world, workspace, **about):
    fields = {
        "status": RunStatus.PLANNED,
        "plan_status": StageStatus.FINISHED,
        "has_changes": True,
        "counts": Counts(2, 1, 1),
    }
    return world.run(workspace, **(fields | about))


# The lists


def test_without_a_workspace_the_home_page_says_what_to_do(world):
    assert "plangate.yml" in text(world, "/")


def test_the_home_page_shows_the_run_in_progress_else_the_latest(world):
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


def test_a_workspace_shows_its_queue_with_why_each_waits(world):
    workspace = world.workspace("network")
    first = planned(world, workspace)
    second = world.run(workspace, message="Second")
    page = text(world, "/workspaces/network")
    assert f"2nd in the queue, behind {first.id} (needs confirmation)" in page
    assert page.index(first.id) < page.index(second.id)
    assert "There is no such page" in text(world, "/workspaces/nowhere", 404)


def test_a_workspace_pages_through_its_runs_newest_first(world):
    workspace = world.workspace("network")
    for number in range(35):
        world.services.clock.pass_by(timedelta(minutes=1))
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


def test_a_workspace_without_runs(world):
    world.workspace("live/network")
    assert "No runs here yet" in text(world, "/workspaces/live/network")


def test_deliveries_say_what_was_decided_and_why(world):
    assert "Nothing has been delivered yet" in text(world, "/deliveries")
    run = world.run(world.workspace())
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for name in ("d-waits", "d-made", "d-none", "d-failed", "d-tries"):
            tx.deliveries.add(Delivery(name, "hub", "push", {}, b"{}", now))
        made = {
            "outcome": "run",
            "reason": "network/main.tf is in network",
            "workspace": "network",
            "run": run.id,
        }
        tx.deliveries.handled("d-made", now, [made])
        tx.deliveries.handled("d-none", now, [{"outcome": "nothing", "reason": "no workspace is configured"}])
        tx.deliveries.handled("d-failed", now, [], "gave up")
        tx.deliveries.failed("d-tries", "the forge is down")
    page = text(world, "/deliveries")
    for words in ("Waiting", "Nothing to do", "Failed", "Trying again", "gave up", "the forge is down"):
        assert words in page
    assert f'href="/runs/{run.id}"' in page
    assert "network/main.tf is in network" in page
    assert "no workspace is configured" in page


def test_deliveries_are_paged_by_the_database(world):
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
    assert "There are no older ones" in text(world, "/deliveries?page=3")


# The run's page


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("plan_only", [False, True])
def test_every_status_has_its_page(world, status, plan_only):
    run = world.run(world.workspace(), status=status, plan_only=plan_only)
    page = text(world, f"/runs/{run.id}")
    assert wording.badge_of(run).label in page
    assert ("data-live" in page) == (not run.final)
    assert ('id="stage-apply"' in page) == (not plan_only)


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"status": RunStatus.PENDING}, ["Discard", "Cancel Run"]),
        ({"status": RunStatus.PLANNING}, ["Cancel Run"]),
        ({"status": RunStatus.PLANNED}, ["Confirm &amp; Apply", "Discard"]),
        ({"status": RunStatus.PLANNED, "plan_only": True}, []),
        ({"status": RunStatus.POLICY_OVERRIDE}, ["Override Policy", "Discard"]),
        ({"status": RunStatus.APPLYING}, ["Cancel Run"]),
        ({"status": RunStatus.APPLYING, "cancel_requested_by": "bob"}, []),
        ({"status": RunStatus.APPLIED}, ["Retry"]),
        ({"status": RunStatus.PLANNED_AND_FINISHED, "plan_only": True}, ["Retry"]),
    ],
    ids=str,
)
def test_only_the_buttons_that_are_legal_now(world, about, expected):
    if "cancel_requested_by" in about:
        about = about | {"cancel_requested_at": world.services.clock.now()}
    run = world.run(world.workspace(), **about)
    assert buttons(text(world, f"/runs/{run.id}")) == expected


def test_only_the_buttons_that_this_person_may_press(world):
    run = planned(world, world.workspace())
    preview = world.run(world.workspace(), status=RunStatus.CANCELED, plan_only=True)
    with world.app.test_request_context(), world.services.store.reading() as tx:
        for found, role, labels in (
            (run, Role.READ, []),
            (run, Role.PLAN, []),
            (run, Role.WRITE, ["Confirm & Apply", "Discard"]),
            (preview, Role.READ, []),
            (preview, Role.PLAN, ["Retry"]),
        ):
            page = run_page.build(run_page.find(tx, found.id), Person("dora", role))
            assert [button.label for button in page.buttons] == labels


def test_the_run_page_says_everything(world):
    workspace = world.workspace(require=("approved", "not_draft"))
    now = world.services.clock.now()
    run = planned(
        world,
        workspace,
        change_number=12,
        approval=Approval("carol", "digest", "run-shown", now),
        delta="+ aws_iam_policy.reader",
        modes=Modes(target_addrs=("aws_s3_bucket.logs",), replace_addrs=("aws_instance.web",)),
    )
    plan = {
        "format_version": "1.2",
        "resource_changes": [
            {"address": 'aws_subnet.a["x"]', "change": {"actions": ["create"]}},
            {"address": "aws_nat_gateway.main", "change": {"actions": ["delete", "create"]}},
            {"address": "aws_vpc.b", "previous_address": "aws_vpc.a", "change": {"actions": ["no-op"]}},
        ],
    }
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", "  + resource\nPlan: 2 to add\n")
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(plan).encode())
        for seconds, kind in ((0, "planning"), (75, "planned")):
            tx.runs.note(RunEvent(run.id, now + timedelta(seconds=seconds), kind, "", ""))
        tx.runs.note(RunEvent(run.id, now, "comment", "dora", "Shall we?"))
        change = {
            "repo": workspace.repo,
            "number": 12,
            "title": "t",
            "author": "bob",
            "head_sha": run.commit,
            "head_branch": "wide",
            "base_branch": "main",
            "from_fork": False,
            "url": "https://hub.example.com/acme/infra/pull/12",
        }
        tx.changes.put(ChangeRecord("chg-1", Change(**change), (workspace.id,), now))
    page = text(world, f"/runs/{run.id}")
    for words in (
        "Widen the subnet",
        "Needs confirmation",
        "An apply needs: approved, not_draft. Comment /why to see what is missing.",
        "adds 2, changes 1 and destroys 1",
        "+ aws_iam_policy.reader",
        "bob commented on #12",
        'href="https://hub.example.com/acme/infra/pull/12"',
        f'href="https://hub.example.com/acme/infra/commit/{run.commit}"',
        f">{run.commit[:7]}<",
        "carol",
        "aws_s3_bucket.logs",
        "aws_instance.web",
        "aws_subnet.a[&#34;x&#34;]",
        "replaced",
        "moved from aws_vpc.a",
        '<span class="add">  + resource</span>',
        "1 min 15 s",
        "Shall we?",
        "dora",
        'details class="card" id="stage-plan" open',
    ):
        assert words in page, words


def test_the_plan_is_folded_once_it_is_decided(world):
    run = world.run(world.workspace(), status=RunStatus.APPLIED, plan_status=StageStatus.FINISHED)
    assert 'id="stage-plan" open' not in text(world, f"/runs/{run.id}")
    running = world.run(world.workspace(), status=RunStatus.APPLYING, apply_status=StageStatus.RUNNING)
    assert 'id="stage-apply" open' in text(world, f"/runs/{running.id}")


def test_a_plan_json_that_can_not_be_read_spoils_no_page(world):
    run = planned(world, world.workspace())
    for raw in (b"rubbish", b"{}"):
        with world.services.store.transaction() as tx:
            tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, raw)
        assert "Widen the subnet" in text(world, f"/runs/{run.id}")


def test_the_raw_output_is_plain_text(world):
    run = planned(world, world.workspace())
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", HOSTILE)
    answer = world.client.get(f"/runs/{run.id}/output/plan")
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, HOSTILE)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert world.client.get(f"/runs/{run.id}/output/apply").data == b""
    assert world.client.get(f"/runs/{run.id}/output/secrets").status_code == 404
    assert world.client.get("/runs/run-nowhere/output/plan").status_code == 404
    assert world.client.get("/runs/run-nowhere").status_code == 404


def output_of(page, stage="plan"):
    """Return the stage's attributes of where its output begins and ends, and the lines."""
    found = re.search(
        rf'id="output-{stage}"[^>]*data-begin="(\d+)" data-end="(\d+)"[^>]*>(.*?)</pre>', page, re.S
    )
    return (int(found[1]), int(found[2]), found[3]) if found else None


def test_a_page_that_renews_itself_gets_only_the_output_it_does_not_have(world):
    run = world.run(world.workspace(), status=RunStatus.PLANNING, plan_status=StageStatus.RUNNING)

    def append(more):
        with world.services.store.transaction() as tx:
            tx.artifacts.append_output(run.id, "plan", more)

    def renewed(seen):
        answer = world.client.get(f"/runs/{run.id}", headers={"X-Plangate-Seen": seen})
        return output_of(answer.get_data(as_text=True))

    append("first\nsec")
    assert output_of(text(world, f"/runs/{run.id}")) == (0, 6, "first\n"), "a line comes when it is whole"
    append("ond\nthird\n")
    assert renewed("plan=6 apply=0") == (6, 19, "second\nthird\n")
    assert renewed("plan=19") == (19, 19, "")
    for odd in ("", "plan", "plan=x", "plan=-6", "plan=" + "9" * 50, "plan=7", "plan=99", "=6", "apply=6"):
        assert renewed(odd) == (0, 19, "first\nsecond\nthird\n"), odd
    with world.services.store.transaction() as tx:
        tx.artifacts.clear_output(run.id, "plan")
    assert renewed("plan=19") is None
    append("again")
    assert renewed("plan=19") == (0, 0, "")
    with world.services.store.transaction() as tx:
        tx.runs.save(replace(tx.runs.get(run.id), plan_status=StageStatus.ERRORED, status=RunStatus.ERRORED))
    assert renewed("plan=0") == (0, 5, "again\n"), "the last line counts though it has no end"


# Buttons


def press(world, run, verb, comment=""):
    token = world.form_token(f"/runs/{run.id}")
    return world.client.post(f"/runs/{run.id}/{verb}", data={"form_token": token, "comment": comment})


def test_pressing_the_buttons(world):
    workspace = world.workspace()
    run = planned(world, workspace)
    answer = press(world, run, "confirm", "Looks right")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.id}")
    assert world.reload(run).status is RunStatus.APPLY_QUEUED
    assert "Looks right" in text(world, f"/runs/{run.id}")
    press(world, run, "cancel")
    assert world.reload(run).status is RunStatus.CANCELED
    again = press(world, run, "retry")
    assert again.headers["Location"].startswith("/runs/run-")
    assert again.headers["Location"] != f"/runs/{run.id}"


def test_a_button_that_came_too_late_says_what_is_possible(world):
    run = planned(world, world.workspace())
    token = world.form_token(f"/runs/{run.id}")
    press(world, run, "discard")
    late = world.client.post(f"/runs/{run.id}/confirm", data={"form_token": token})
    assert late.status_code == 409
    assert "retry it to run the same commit again" in late.get_data(as_text=True)
    assert world.client.post(f"/runs/{run.id}/explode", data={"form_token": token}).status_code == 404
    assert world.client.post("/runs/run-nowhere/cancel", data={"form_token": token}).status_code == 404


# Hostile text


def test_nothing_hostile_gets_through(world):
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
        decision = {"outcome": HOSTILE, "reason": HOSTILE, "workspace": HOSTILE, "run": HOSTILE}
        tx.deliveries.handled("d-1", world.services.clock.now(), [decision], HOSTILE)
    for path in ("/", "/workspaces/network", f"/runs/{run.id}", "/deliveries", f"/workspaces/{HOSTILE}"):
        page = world.client.get(path).get_data(as_text=True)
        assert "<script>alert" not in page
        assert "<b>" not in page.replace('<p class="sub"><b>', "")
        assert "alert(1)" in page or path.startswith("/workspaces/<")


def test_an_address_from_a_payload_leads_only_to_the_web():
    assert run_page.web_address("javascript:alert(1)") == ""
    assert run_page.web_address("https://hub.example.com/x") == "https://hub.example.com/x"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain  text, größer → ok\t!", "plain  text, größer → ok\t!"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil\x07link\x1b]8;;\x07", "link"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\x00b\rc\x0bd\u2028e\x85f", "a\\u0000b\\u000dc\\u000bd\\u2028e\\u0085f"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_what_would_hide_or_reorder_text_is_made_visible(raw, shown):
    assert harmless(raw) == shown


def test_output_is_cut_at_its_beginning():
    lines, shortened = lines_of("first\n" + "x\n" * MOST_LINES)
    assert shortened
    assert len(lines) == MOST_LINES
    assert lines_of("a\r\nb\n") == ((lines_of("a")[0][0], lines_of("b")[0][0]), False)
    assert lines_of("") == ((), False)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("  + resource", "add"),
        ("-/+ resource", "destroy"),
        ("  ~ ttl = 1 -> 2", "change"),
        ("      - note = null", "destroy"),
        ("│ Error: no", "error"),
        ("Plan: 1 to add, 0 to change, 0 to destroy.", "head"),
        ("  # a.b will be created", "head"),
        ("a - b", ""),
    ],
)
def test_lines_are_coloured_by_their_sign(line, kind):
    [found] = lines_of(line)[0]
    assert (found.kind, found.text) == (kind, line)


# Words


def test_times_are_told_as_seen_from_now(world):
    now = world.services.clock.now()
    for seconds, words in (
        (0, "just now"),
        (50, "a minute ago"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
    ):
        assert wording.moment(now - timedelta(seconds=seconds), now).words == words
    assert wording.moment(now, now).exact == "2026-11-24 12:00:00 UTC"


def test_how_a_run_began_is_told_for_every_source(world):
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
