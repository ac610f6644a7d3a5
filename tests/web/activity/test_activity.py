"""What people did, as they may see it: filtered, in parts, and taken out as CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json

import pytest
import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.people.audit import AuditAction, AuditEntry
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.services.outbox.audit_log import applied_by_itself
from bot.web.activity import routes as activity
from tests.web.conftest import World

OTHER = RepoRef("hub", "acme/secret")


def person(login: str, role: Role = Role.WRITE) -> Person:
    return Person(login, role, Origin(Via.PAGE, "hub", "192.0.2.7"))


@pytest.fixture
def lines(world: World) -> None:
    """ana locks network, vic locks vault."""
    world.workspace()
    world.workspace("vault", OTHER)
    world.services.workspace_locks.lock("network", person("ana"), "=HYPERLINK(1)")
    world.services.workspace_locks.lock("vault", person("vic"), "<b>audit</b>")


def test_an_owner_sees_all_of_it(world: World, lines: None) -> None:
    text = world.visitor("olga").get("/activity").text
    assert "<strong>ana" in text and "<strong>vic" in text
    assert "&lt;b&gt;audit&lt;/b&gt;" in text
    assert "192.0.2.7" in text


def test_an_administrator_sees_the_lines_of_their_repositories_and_their_own(
    world: World, lines: None
) -> None:
    ada = world.visitor("ada", Role.ADMIN)
    text = ada.get("/activity").text
    assert "ana" in text and "<strong>vic" not in text and "vault" not in text
    assert "sign in" in text


def test_others_see_their_own(world: World, lines: None) -> None:
    text = world.visitor("ana", Role.WRITE).get("/activity").text
    assert "network" in text and "<strong>vic" not in text
    rows = world.visitor("rea", Role.READ).get("/activity.jsonl").text.splitlines()
    assert {json.loads(row)["login"] for row in rows} == {"rea"}


def test_filters(world: World, lines: None) -> None:
    olga = world.visitor("olga")

    def logins(query: str) -> list[str]:
        return [json.loads(row)["login"] for row in olga.get(f"/activity.jsonl?{query}").text.splitlines()]

    assert logins("person=VIC") == ["vic"]
    assert logins("action=lock") == ["vic", "ana"]
    assert logins("workspace=network") == ["ana"]
    assert logins("action=lock&since=2026-11-24&until=2026-11-24") == ["vic", "ana"]
    assert logins("since=2026-11-25") == []
    assert olga.get("/activity?since=yesterday").status_code == 400
    assert olga.get("/activity.pdf").status_code == 404


def test_an_export_runs_no_formula_and_comes_in_parts(
    world: World, lines: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "AT_ONCE", 1)
    answer = world.visitor("olga").get("/activity.csv?action=lock")
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["login"] for row in rows] == ["vic", "ana"]
    assert rows[1]["detail"] == "'=HYPERLINK(1)"
    assert (rows[0]["workspace"], rows[0]["repository"], rows[0]["outcome"]) == (
        "vault",
        "hub:acme/secret",
        "done",
    )


def test_long_lists_come_in_pages(world: World, lines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "PER_PAGE", 1)
    olga = world.visitor("olga")
    first = olga.get("/activity?action=lock").text
    assert "<strong>vic" in first and "<strong>ana" not in first
    assert "page=2" in first and "action=lock" in first
    assert "ana" in olga.get("/activity?action=lock&page=2").text


def test_what_was_hidden_and_pressed_all_the_same_is_noted(world: World, lines: None) -> None:
    run = world.run(world.workspace())
    sam = world.visitor("sam")
    token = world.form_token("/", sam)
    assert sam.post(f"/runs/{run.id}/confirm", data={"form_token": token}).status_code == 404
    row = json.loads(sam.get("/activity.jsonl?action=request").text)
    assert (row["outcome"], row["subject"], row["address"]) == (
        "refused",
        f"/runs/{run.id}/confirm",
        "127.0.0.1",
    )


def test_fetching_a_runs_raw_output_leaves_a_line(world: World) -> None:
    run = world.run(world.workspace())
    rea = world.visitor("rea", Role.READ)
    assert rea.get(f"/runs/{run.id}").status_code == 200
    assert rea.get(f"/runs/{run.id}/output/plan").status_code == 200
    rows = [json.loads(row) for row in rea.get("/activity.jsonl").text.splitlines()]
    [line] = [row for row in rows if row["action"] == "read output"]
    assert (line["login"], line["subject"], line["detail"]) == ("rea", run.id, "plan")


def test_an_apply_is_one_action_whatever_the_way(world: World) -> None:
    workspace = world.workspace()
    run = world.run(workspace, status=RunStatus.PLANNED, plan_status=StageStatus.FINISHED, has_changes=True)
    world.services.controls.confirm(run.id, person("ana"), "Looks right")
    itself = world.run(workspace, status=RunStatus.APPLIED)
    with world.services.store.transaction() as tx:
        applied_by_itself(tx, itself, world.services.clock.now())
        tx.audit.add(
            AuditEntry(world.services.clock.now(), "old", "hub", Role.WRITE, Via.PAGE, AuditAction.APPLY)
        )
    # As an earlier version wrote it.
    engine = sa.create_engine(f"sqlite:///{world.database}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE audit SET deed = 'confirm' WHERE login = 'old'"))
    engine.dispose()
    olga = world.visitor("olga")
    rows = [json.loads(row) for row in olga.get("/activity.jsonl?action=apply").text.splitlines()]
    assert {row["login"] for row in rows} == {"ana", "auto-apply", "old"}
    assert {row["action"] for row in rows} == {"apply"}
    assert olga.get("/activity.jsonl?action=confirm").text == olga.get("/activity.jsonl?action=apply").text
    page = olga.get("/activity").text
    assert "<option>confirm</option>" not in page
    assert f'href="/runs/{itself.id}"' in page


def test_ranges_of_days_keep_the_other_filters(world: World, lines: None) -> None:
    page = world.visitor("olga").get("/activity?person=ana&since=2026-11-24").text
    assert 'href="/activity?person=ana&amp;since=2026-11-24" aria-current="true">Today</a>' in page
    assert 'href="/activity?person=ana&amp;since=2026-11-23&amp;until=2026-11-23">Yesterday</a>' in page
    assert 'href="/activity?person=ana&amp;since=2026-11-18">Last 7 days</a>' in page
    assert 'href="/activity?person=ana">Any time</a>' in page
