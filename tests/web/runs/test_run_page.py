"""The page of a run: what it says in each state, its buttons and comments; pressing twice is harmless."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.events import Change
from bot.domain.people.permissions import Role
from bot.domain.plans.modes import Modes
from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Approval, Run, RunEvent
from bot.domain.workspaces.freeze import Frozen
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ArtifactKind, ChangeRecord
from bot.web.page import wording
from tests.fakes.engine import change, plan_json
from tests.support.plans import a_bit_of_everything, many_changes
from tests.web.conftest import World

HOSTILE = "<script>alert(1)</script>\"'><b>"
BARE = {"X-Plangate-Bare": "1"}


def text(world: World, path: str, status: int = 200, **how: Any) -> str:
    answer = world.client.get(path, **how)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def asks(page: str) -> list[str]:
    """Return the labels of the buttons that ask before they act."""
    return re.findall(r'<summary class="button [^"]*">([^<]+)</summary>', page)


def planned(world: World, workspace: Workspace, **about: Any) -> Run:
    fields = {
        "status": RunStatus.PLANNED,
        "plan_status": StageStatus.FINISHED,
        "has_changes": True,
        "counts": Counts(2, 1, 1),
    }
    return world.run(workspace, **(fields | about))


def keep(world: World, run: Run, document: dict[str, Any]) -> None:
    with world.services.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, b"")
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(document).encode())


def note(world: World, run: Run, *events: str) -> None:
    """Add lines to a timeline: `kind@seconds` after the run was made."""
    with world.services.store.transaction() as tx:
        for event in events:
            kind, _, seconds = event.partition("@")
            at = run.created_at + timedelta(seconds=float(seconds))
            tx.runs.note(RunEvent(run.id, at, kind, "", ""))


def test_a_run_that_waits_for_the_end_of_a_freeze_says_until_when(world: World) -> None:
    frozen = Frozen(datetime(2026, 11, 30, 7, tzinfo=UTC), "Europe/Berlin", "No applies on weekends")
    run = planned(world, world.workspace(), status=RunStatus.APPLY_QUEUED, frozen=frozen)
    page = text(world, f"/runs/{run.id}")
    assert "Waiting for the end of a freeze" in page
    assert "Waits until Mon 30 Nov 08:00 Europe/Berlin: No applies on weekends" in page


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("plan_only", [False, True])
def test_every_status_has_its_page(world: World, status: RunStatus, plan_only: bool) -> None:
    run = world.run(world.workspace(), status=status, plan_only=plan_only)
    page = text(world, f"/runs/{run.id}")
    badge = wording.badge_of(run)
    assert f"<title>{badge.label} · Widen the subnet · network · Plangate</title>" in page
    assert f'href="/static/state-{badge.tone.value}.svg"' in page
    assert world.client.get(f"/static/state-{badge.tone.value}.svg").status_code == 200
    assert ("data-events" in page) == (not run.final)
    assert ('id="stage-apply"' in page) == (not plan_only)


def test_without_scripts_the_page_reloads_while_the_run_goes_on_and_not_while_somebody_decides(
    world: World,
) -> None:
    for status, reloads in (
        (RunStatus.PLANNING, True),
        (RunStatus.PLANNED, False),
        (RunStatus.APPLIED, False),
    ):
        run = world.run(world.workspace(status.value), status=status)
        assert ('http-equiv="refresh"' in text(world, f"/runs/{run.id}")) == reloads


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
def test_only_the_buttons_that_are_legal_now(
    world: World, about: dict[str, Any], expected: list[str]
) -> None:
    if "cancel_requested_by" in about:
        about = about | {"cancel_requested_at": world.services.clock.now()}
    run = world.run(world.workspace(), **about)
    assert asks(text(world, f"/runs/{run.id}")) == expected


def test_only_the_buttons_that_this_person_may_press(world: World) -> None:
    run = planned(world, world.workspace())
    preview = world.run(world.workspace(), status=RunStatus.CANCELED, plan_only=True)
    for found, role, labels, comments in (
        (run, Role.READ, [], False),
        (run, Role.PLAN, [], True),
        (run, Role.WRITE, ["Confirm &amp; Apply", "Discard"], True),
        (preview, Role.READ, [], False),
        (preview, Role.PLAN, ["Retry"], True),
    ):
        client = world.visitor(f"{role.name.lower()}-{found.id[-4:]}", role)
        page = client.get(f"/runs/{found.id}").get_data(as_text=True)
        assert asks(page) == labels
        assert ('class="say"' in page) == comments
        if found is run and role < Role.WRITE:
            assert "Somebody with write access must decide." in page


def test_the_run_page_says_everything(world: World) -> None:
    workspace = world.workspace(require=("approved", "not_draft"))
    now = world.services.clock.now()
    run = planned(
        world, workspace, change_number=12, approval=Approval("carol", "digest", "run-shown", now),
        delta="+ aws_iam_policy.reader",
        modes=Modes(target_addrs=("aws_s3_bucket.logs",), replace_addrs=("aws_instance.web",)),
    )  # fmt: skip
    keep(world, run, a_bit_of_everything())
    note(world, run, "planning@0", "planned@75")
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", "  + resource\nPlan: 2 to add\n")
        tx.runs.note(RunEvent(run.id, now, "comment", "dora", "Shall we?\nSoon?"))
        change = Change(
            workspace.repo, 12, "t", "bob", run.commit, "wide", "main", False,
            "https://hub.example.com/acme/infra/pull/12",
        )  # fmt: skip
        tx.changes.put(ChangeRecord("chg-1", change, (workspace.id,), now))
    page = text(world, f"/runs/{run.id}")
    for words in (
        "Widen the subnet",
        "Needs confirmation",
        "An apply needs: approved, not_draft. Comment /why to see what is missing.",
        'adds 2, changes 1 and <strong class="loud">destroys 1</strong>',
        "+ aws_iam_policy.reader",
        "bob commented on #12",
        'href="https://hub.example.com/acme/infra/pull/12"',
        f'href="https://hub.example.com/acme/infra/commit/{run.commit}"',
        f">{run.commit[:7]}<",
        "carol",
        "aws_s3_bucket.logs",
        "module.zone[&#34;eu-central-1b&#34;]",
        "forced by ami, user_data",
        "moved from aws_s3_bucket.log",
        "imported from arn:aws:sns",
        "<ins>(sensitive value)</ins>",
        "<ins>(known after apply)</ins>",
        "Changed outside of Terraform",
        "1 min 15 s",
        "Shall we?\nSoon?",
        "dora",
        'class="card stage" id="stage-plan" data-fold open',
    ):
        assert words in page, words
    assert "secret" not in page.replace("(sensitive value)", "")


PLAN, APPLY = (f'id="stage-{stage}" data-fold open' for stage in ("plan", "apply"))


@pytest.mark.parametrize(
    ("about", "opened"),
    [
        ({"status": RunStatus.PLANNED_AND_FINISHED, "plan_only": True}, [PLAN]),
        ({"status": RunStatus.APPLIED, "apply_status": StageStatus.FINISHED}, [PLAN, APPLY]),
        ({"status": RunStatus.DISCARDED}, [PLAN]),
        ({"status": RunStatus.CANCELED, "apply_status": StageStatus.CANCELED}, [PLAN, APPLY]),
        ({"status": RunStatus.ERRORED, "plan_status": StageStatus.ERRORED, "has_changes": None}, [PLAN]),
        ({"status": RunStatus.ERRORED, "apply_status": StageStatus.ERRORED}, [APPLY]),
        ({"status": RunStatus.APPLYING, "apply_status": StageStatus.RUNNING}, [APPLY]),
    ],
)
def test_what_matters_is_open_in_each_state(world: World, about: dict[str, Any], opened: list[str]) -> None:
    run = planned(world, world.workspace(), **about)
    keep(world, run, a_bit_of_everything())
    page = text(world, f"/runs/{run.id}")
    assert [stage for stage in (PLAN, APPLY) if stage in page] == opened
    if run.plan_status is StageStatus.FINISHED:
        assert 'Plan: 2 to add, 1 to change, <strong class="loud">1 to destroy</strong>.' in page
        assert 'id="resources"' in page


def test_an_apply_that_ended_says_how_in_terraforms_words(world: World) -> None:
    run = planned(world, world.workspace(), status=RunStatus.APPLIED, apply_status=StageStatus.FINISHED)
    with world.services.store.transaction() as tx:
        done = f"Apply complete! Resources: 2 added. {HOSTILE}"
        tx.runs.note(RunEvent(run.id, run.created_at, "applied", "", done))
    page = text(world, f"/runs/{run.id}")
    assert '<p class="summary">Apply complete! Resources: 2 added. &lt;script&gt;' in page
    assert "<script>alert" not in page


def test_a_stopped_run_says_who_stopped_it_and_why(world: World) -> None:
    run = planned(world, world.workspace(), status=RunStatus.CANCELED, apply_status=StageStatus.CANCELED)
    with world.services.store.transaction() as tx:
        tx.runs.note(RunEvent(run.id, run.created_at, "cancel requested", "dora", f"Wrong day {HOSTILE}"))
        tx.runs.note(RunEvent(run.id, run.created_at, "canceled", "dora", ""))
    page = text(world, f"/runs/{run.id}")
    assert '<section class="banner off"><h2>dora canceled this run</h2>' in page
    assert "Wrong day &lt;script&gt;" in page
    assert "What it had changed by then stays." in page
    dropped = planned(world, world.workspace("other"), status=RunStatus.DISCARDED)
    note(world, dropped, "discarded@5")
    page = text(world, f"/runs/{dropped.id}")
    assert "<h2>This run was discarded</h2><p>Nothing was applied.</p>" in page


def test_what_took_no_time_is_not_in_the_chart(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.APPLYING)
    note(world, run, "planning@10", "planned@30", "confirmed@30", "applying@30", "applied@60")
    page = text(world, f"/runs/{run.id}")
    assert "Waiting for a person" not in page
    assert "<td>0 s</td>" not in page


def test_the_timeline_has_a_handful_of_events_and_all_on_demand(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.PENDING)
    note(world, run, "fetching@1", "fetching_completed@2", "plan_queued@2", "planning@3", "initialized@5",
         "planned@15", "policy_checking@15", "policy_checked@16", "confirmed@75", "apply_queued@75",
         "applying@76", "applied@106")  # fmt: skip
    page = text(world, f"/runs/{run.id}")
    ours, _, every = page.partition('<ol class="timeline">')[2].partition("All 13 events")
    assert re.findall(r"<strong>([^<]+)</strong>", ours) == ["Applied", "Confirmed", "Planned", "Created"]
    assert re.findall(r"· ((?:took|after) [^<]+)</span>", ours) == [
        "took 30 s",
        "after 1 min 0 s",
        "took 12 s",
    ]
    assert "data-clock" in ours
    assert every.count("<strong>") == 13


def test_a_run_under_way_shows_its_current_state_in_the_timeline(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.PENDING)
    note(world, run, "fetching@1", "planning@3")
    ours = text(world, f"/runs/{run.id}").partition('<ol class="timeline">')[2].partition("All 3 events")[0]
    assert re.findall(r"<strong>([^<]+)</strong>", ours) == ["Planning", "Created"]


def test_every_attribute_opens_at_once(world: World) -> None:
    run = planned(world, world.workspace())
    keep(world, run, many_changes(30))
    page = text(world, f"/runs/{run.id}?do=replace")
    found = re.search(r'href="([^"]+)" data-expand', page)
    assert found
    whole = text(world, found[1].replace("&amp;", "&"), headers=BARE)
    rows = re.findall(r'<details class="resource \w+" id="changes-\d+"([^>]*)>', whole)
    assert rows
    assert set(rows) == {" open"}
    assert whole.count('<ul class="attributes">') == len(rows)


def test_the_apply_is_open_while_it_runs(world: World) -> None:
    running = world.run(world.workspace(), status=RunStatus.APPLYING, apply_status=StageStatus.RUNNING)
    assert 'id="stage-apply" data-fold open' in text(world, f"/runs/{running.id}")


def test_a_plan_json_that_can_not_be_read_spoils_no_page(world: World) -> None:
    run = planned(world, world.workspace())
    for raw in (b"rubbish", b"{}"):
        with world.services.store.transaction() as tx:
            tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, raw)
        assert "Widen the subnet" in text(world, f"/runs/{run.id}")
        assert text(world, f"/runs/{run.id}/resources", 404)


def test_where_the_time_went_is_a_picture_and_a_table(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.PENDING)
    note(world, run, "fetching@10", "planning@20", "initialized@30", "planned@60", "confirmed@100",
         "applying@100", "applied@200")  # fmt: skip
    page = text(world, f"/runs/{run.id}")
    rows = re.findall(r'</svg>([^<]+)</th><td>([^<]+)</td><td class="unseen">([^<]+)</td>', page)
    assert rows == [
        ("In the queue", "10 s", "5 %"), ("Fetch", "10 s", "5 %"), ("Init", "10 s", "5 %"),
        ("Plan", "30 s", "15 %"), ("Waiting for a person", "40 s", "20 %"), ("Apply", "1 min 40 s", "50 %"),
    ]  # fmt: skip
    bars = [
        (int(x), int(width))
        for x, width in re.findall(r'<rect class="t-\w+" x="(\d+)" y="0" width="(\d+)"', page)
    ]
    assert [x for x, _ in bars] == [0, 50, 100, 150, 300, 500]
    assert sum(width for _, width in bars) == 1000
    fresh = world.run(world.workspace("other"), status=RunStatus.PENDING)
    assert "<figure" not in text(world, f"/runs/{fresh.id}")


def test_an_apply_says_how_far_it_is_and_how_long_it_usually_takes(world: World) -> None:
    workspace = world.workspace()
    for length in (30, 40, 90):
        earlier = world.run(
            workspace, status=RunStatus.APPLIED, apply_status=StageStatus.FINISHED, commit=f"{length:040x}"
        )
        note(world, earlier, "applying@10", f"applied@{10 + length}")
    run = world.run(
        workspace, status=RunStatus.APPLYING, apply_status=StageStatus.RUNNING, counts=Counts(3, 1, 0)
    )
    note(world, run, "applying@0")
    world.clock.pass_by(timedelta(seconds=12))
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(
            run.id, "apply", "a.b: Creating...\na.b: Creation complete after 1s\na.c: Creating...\n"
        )
    page = text(world, f"/runs/{run.id}")
    assert '<progress max="100" value="25"' in page
    assert "1 of 4 done" in page
    assert "<code>a.c</code>" in page
    assert "12 s · usually 40 s" in " ".join(page.split())


# --- what changes -------------------------------------------------------------------------------------------


def test_a_long_list_of_changes_comes_in_parts_that_lead_to_each_other(world: World) -> None:
    run = planned(world, world.workspace())
    keep(world, run, many_changes(1000))
    page = text(world, f"/runs/{run.id}")
    assert page.count('<details class="resource ') == 200
    assert "1 to 200 of 1,001" in page
    seen, url = re.findall(r'id="changes-(\d+)"', page), re.search(r'href="([^"]+)" data-more', page)
    while url:
        part = text(world, url[1].replace("&amp;", "&"), headers=BARE)
        assert "<html" not in part
        seen += re.findall(r'id="changes-(\d+)"', part)
        url = re.search(r'href="([^"]+)" data-more', part)
    assert len(seen) == 1001 == len(set(seen))
    whole = text(world, f"/runs/{run.id}/resources?from=200")
    assert "<h1>Resource changes</h1>" in whole


def test_changes_are_narrowed_by_deed_words_and_module(world: World) -> None:
    run = planned(world, world.workspace())
    keep(world, run, many_changes(400))
    for query, count in (
        ("?do=replace", 100), ("?q=needle", 1), ("?q=zone+CREATE", 101), ("?module=module.region[3]", 10),
        ("?q=nothing+like+it", 0), ("?do=explode&from=x&see=y", 200),
    ):  # fmt: skip
        page = text(world, f"/runs/{run.id}{query}")
        assert page.count('<details class="resource ') == count, query
    assert "Nothing fits." in text(world, f"/runs/{run.id}?q=nothing+like+it")
    chosen = text(world, f"/runs/{run.id}?do=create&q=region")
    assert 'aria-current="true">Create <span>100</span>' in chosen
    assert 'value="region"' in chosen
    assert "<ins>" in text(world, f"/runs/{run.id}?q=needle"), "the attributes of a few come along"


def test_a_changes_attributes_are_a_page_of_their_own_and_a_part(world: World) -> None:
    run = planned(world, world.workspace())
    keep(world, run, a_bit_of_everything())
    page = text(world, f"/runs/{run.id}/resources/changes/0")
    assert "<h1" in page
    assert "aws_iam_policy.reader" in page
    part = text(world, f"/runs/{run.id}/resources/changes/0", headers=BARE)
    assert "<html" not in part
    assert '<span class="add">+         &#34;s3:PutObject&#34;' in part
    assert "2 unchanged lines" in part
    assert "old" not in text(world, f"/runs/{run.id}/resources/changes/1", headers=BARE)
    for nowhere in ("changes/99", "changes/-1", "elsewhere/0", "drift/1", f"changes/{'9' * 30}"):
        text(world, f"/runs/{run.id}/resources/{nowhere}", 404)


def test_hostile_names_and_values_stay_text(world: World) -> None:
    run = planned(world, world.workspace())
    document = many_changes(1)
    item = document["resource_changes"][0]
    item["address"] = f'module.m["{HOSTILE}"].a.b["\u202e{HOSTILE}"]'
    item["module_address"] = f'module.m["{HOSTILE}"]'
    item["change"].update(after={HOSTILE: f"a\n{HOSTILE}\x1b[2J", "x": HOSTILE}, before=None)
    item["action_reason"] = HOSTILE
    keep(world, run, document)
    for path in (
        f"/runs/{run.id}",
        f"/runs/{run.id}/resources/changes/1",
        f"/runs/{run.id}?module={HOSTILE}&q={HOSTILE}",
    ):
        page = text(world, path)
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "\u202e" not in page
        assert "\x1b" not in page


# --- output -------------------------------------------------------------------------------------------------


def test_the_plan_as_text_is_ours_and_the_output_is_labelled_as_terraforms(world: World) -> None:
    run = planned(world, world.workspace())
    values = {"actions": ["create"], "before": None, "after": {"note": f"a\u2028{HOSTILE}"}}
    resource = {"address": "null_resource.x", "mode": "managed", "type": "null_resource", "name": "x"}
    block = {"address": "null_resource.x", "provisioners": [{"type": "local-exec"}]}
    document = {
        "format_version": "1.2",
        "resource_changes": [{**resource, "change": values}],
        "configuration": {"root_module": {"resources": [block]}},
    }
    keep(world, run, document)
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", "  # aws_vpc.forged will be created\n")
    page = text(world, f"/runs/{run.id}")
    ours, _, theirs = page.partition("<h3>What Terraform printed</h3>")
    assert "<h3>The plan as text</h3>" in ours
    assert "# null_resource.x will be created" in ours
    assert "aws_vpc.forged" not in ours
    assert "aws_vpc.forged" in theirs
    assert "a\\u2028" in ours
    assert "<script>alert" not in page
    assert "<li><code>null_resource.x</code> runs its provisioner local-exec</li>" in ours
    raw = world.client.get(f"/runs/{run.id}/plan.txt")
    assert raw.mimetype == "text/plain"
    assert raw.get_data(as_text=True).endswith(
        "\nPlan: 1 to add, 0 to change, 0 to destroy.\n"
        "at apply, null_resource.x runs its provisioner `local-exec`\n"
    )
    text(world, f"/runs/{world.run(world.workspace('bare')).id}/plan.txt", 404)


@pytest.mark.parametrize("stage", ["plan", "apply"])
def test_every_error_is_on_the_page_with_its_source(world: World, stage: Any) -> None:
    about = {f"{stage}_status": StageStatus.ERRORED, "error": "Error: One (and 1 more error)"}
    run = planned(world, world.workspace(), **{"plan_only": False, "status": RunStatus.ERRORED, **about})
    said = f"\nError: One\n\n  on main.tf line 2:\n   2: {HOSTILE}\n\nError: Two\n\n   9: twice\u202e\n"
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, stage, said)
    page = text(world, f"/runs/{run.id}")
    told = page.partition("<h3>What went wrong</h3><pre>")[2].partition("</pre>")[0]
    assert told.startswith("Error: One\n\n  on main.tf line 2:\n   2: &lt;script&gt;")
    assert told.endswith("Error: Two\n\n   9: twice\\u202e")
    assert page.count("What went wrong</h3>") == 1


def test_the_raw_output_is_plain_text(world: World) -> None:
    run = planned(world, world.workspace())
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", HOSTILE)
    answer = world.client.get(f"/runs/{run.id}/output/plan")
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, HOSTILE)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert world.client.get(f"/runs/{run.id}/output/apply").data == b""
    for path in (f"/runs/{run.id}/output/secrets", "/runs/run-nowhere/output/plan", "/runs/run-nowhere"):
        assert world.client.get(path).status_code == 404


def test_a_very_long_output_begins_with_its_end_and_earlier_lines_are_given_when_asked_for(
    world: World,
) -> None:
    run = planned(world, world.workspace())
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", "".join(f"number {n}\n" for n in range(1, 12_001)))
    page = text(world, f"/runs/{run.id}")
    assert 'id="plan-L10000"' not in page
    assert (
        '<span id="plan-L10001"><a href="#plan-L10001" tabindex="-1">10001</a>number 10001\n</span>' in page
    )
    assert "from line <span data-first>10001</span> on" in page
    lines = text(world, f"/runs/{run.id}/lines/plan?before=10001")
    assert re.findall(r'id="plan-L(\d+)"', lines) == [str(n) for n in range(1, 10_001)]
    assert text(world, f"/runs/{run.id}/lines/plan?before=3").count("<span") == 2
    for odd in ("", "?before=0", "?before=x", "?before=-4"):
        assert text(world, f"/runs/{run.id}/lines/plan{odd}") == ""
    text(world, f"/runs/{run.id}/lines/secrets?before=3", 404)


# --- buttons ------------------------------------------------------------------------------------------------


def press(world: World, run: Run, verb: str, comment: str = "", **more: Any) -> TestResponse:
    token = world.form_token(f"/runs/{run.id}")
    return world.client.post(f"/runs/{run.id}/{verb}", data={"form_token": token, "comment": comment, **more})


def test_pressing_the_buttons(world: World) -> None:
    run = planned(world, world.workspace())
    answer = press(world, run, "confirm", "Looks right")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.id}")
    assert world.reload(run).status is RunStatus.APPLY_QUEUED
    assert "Looks right" in text(world, f"/runs/{run.id}")
    press(world, run, "cancel")
    assert world.reload(run).status is RunStatus.CANCELED
    again = press(world, run, "retry", "The quota was raised")
    assert again.headers["Location"].startswith("/runs/run-")
    assert again.headers["Location"] != f"/runs/{run.id}"
    linked = f'retry of <a href="/runs/{run.id}">{run.id}</a>: The quota was raised'
    assert linked in text(world, again.headers["Location"])


@pytest.mark.parametrize("verb", ["confirm", "discard", "cancel"])
def test_a_button_pressed_twice_is_pressed_once(world: World, verb: str) -> None:
    status = RunStatus.PLANNING if verb == "cancel" else RunStatus.PLANNED
    run = planned(world, world.workspace(), status=status)
    first, second = press(world, run, verb), press(world, run, verb)
    assert (first.status_code, second.status_code) == (303, 303)
    assert second.headers["Location"] == f"/runs/{run.id}"
    with world.services.store.reading() as tx:
        kinds = [event.kind for event in tx.runs.timeline(run.id)]
    assert len(kinds) == len(set(kinds))


def test_retry_pressed_twice_makes_one_run_and_pressed_anew_another(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.ERRORED)
    places = [press(world, run, "retry", once=once).headers["Location"] for once in ("a", "a", "b")]
    assert places[0] == places[1] != places[2]
    found = re.search(r'name="once" value="([0-9a-f]{16})"', text(world, f"/runs/{run.id}"))
    assert found


def test_a_button_that_came_too_late_says_on_the_page_what_is_possible(world: World) -> None:
    run = planned(world, world.workspace())
    token = world.form_token(f"/runs/{run.id}")
    press(world, run, "discard")
    late = world.client.post(f"/runs/{run.id}/confirm", data={"form_token": token})
    assert late.status_code == 409
    page = late.get_data(as_text=True)
    assert "retry it to run the same commit again" in page
    assert asks(page) == ["Retry"]
    assert world.client.post(f"/runs/{run.id}/explode", data={"form_token": token}).status_code == 404
    assert world.client.post("/runs/run-nowhere/cancel", data={"form_token": token}).status_code == 404


def test_destroying_everything_asks_for_the_name_of_the_workspace(world: World) -> None:
    run = planned(world, world.workspace(), modes=Modes(destroy=True))
    page = text(world, f"/runs/{run.id}")
    assert 'To confirm, type <code>network</code><input type="text" name="named"' in page
    assert page.count('name="named"') == 1, "only for confirming"
    for wrong in ({}, {"named": ""}, {"named": "Network"}, {"named": "other"}):
        refused = press(world, run, "confirm", **wrong)
        assert refused.status_code == 400
        assert "type the name of the workspace, network" in refused.get_data(as_text=True)
    assert world.reload(run).confirmed_by == ""
    assert press(world, run, "confirm", named=" network ").status_code == 303
    assert world.reload(run).confirmed_by == "alice"


def test_other_plans_and_other_buttons_ask_for_no_name(world: World) -> None:
    run = planned(world, world.workspace())
    assert 'name="named"' not in text(world, f"/runs/{run.id}")
    assert press(world, run, "confirm").status_code == 303
    destroys = planned(world, world.workspace("other"), modes=Modes(destroy=True))
    assert press(world, destroys, "discard").status_code == 303


def test_people_comment_on_the_timeline(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.APPLIED)
    for words in ("Shall we?", "Shall we?", f"Yes.\n{HOSTILE}"):
        assert press(world, run, "comment", words).headers["Location"] == f"/runs/{run.id}"
    page = text(world, f"/runs/{run.id}")
    assert page.count("Shall we?") == 1
    assert "Yes.\n&lt;script&gt;" in page
    nothing = press(world, run, "comment", "  ")
    assert nothing.status_code == 400
    assert "a comment needs words" in nothing.get_data(as_text=True)
    reader = world.visitor("rea", Role.READ)
    token = world.form_token(f"/runs/{run.id}", reader)
    refused = reader.post(f"/runs/{run.id}/comment", data={"form_token": token, "comment": "x"})
    assert refused.status_code == 403


def test_what_a_plan_destroys_is_named_first_and_a_long_list_leads_to_the_rest(world: World) -> None:
    run = planned(world, world.workspace())
    keep(world, run, many_changes(100))
    page = text(world, f"/runs/{run.id}")
    assert "This plan destroys 25 objects and replaces 25" in page
    named = page.partition('class="losses"')[2].partition("</section>")[0]
    assert named.count('class="deed destroy"') == 8
    rest = re.findall(r'href="([^"]+)">42 more<', named)
    assert rest == [f"/runs/{run.id}?do=destroy#resources"]
    keep(world, run, plan_json(change("a.b", "delete", before={"n": 1}, deposed="abcd1234")))
    assert "a.b (deposed object abcd1234)" in text(world, f"/runs/{run.id}").partition("losses")[2]
    keep(world, run, plan_json(change("a.b", after={"n": 1})))
    assert 'class="losses"' not in text(world, f"/runs/{run.id}")
