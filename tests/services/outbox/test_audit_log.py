"""What people do is noted with it, what is refused to them too; by comment, page and command line alike."""

from __future__ import annotations

import pytest

from bot.domain.errors import Forbidden, IllegalMove, NotFound
from bot.domain.people.audit import AuditAction, AuditEntry, AuditResult
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run
from bot.services.ports import AuditQuery
from bot.services.runs.queue_plan import PlanOptions
from bot.services.variables.editor import SetVariables, VariableEditor, VariableInput, WorkspaceVariables
from tests.fakes.engine import change
from tests.fakes.house import READER, REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
PAGE = Origin(Via.PAGE, "github", "192.0.2.7")
WREN, REA = Person("wren", Role.WRITE, PAGE), Person("rea", Role.READ, PAGE)


def lines(house: House, **query: object) -> list[AuditEntry]:
    """Return what stands, oldest first."""
    with house.store.reading() as tx:
        return list(reversed(tx.audit.find(AuditQuery(**query))))  # type: ignore[arg-type]


def deeds(house: House) -> list[tuple[str, AuditAction, str]]:
    return [(line.login, line.deed, line.ending) for line in lines(house)]


@pytest.fixture
def waiting(house: House) -> Run:
    """A run that waits to be confirmed."""
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.push("c1", "net/main.tf")
    return house.only_run()


def test_what_is_done_is_noted_with_who_as_what_to_what_and_from_where(house: House, waiting: Run) -> None:
    at = house.clock.forward(seconds=5)
    house.controls.confirm(waiting.id, WREN, "looks\ngood")
    [line] = lines(house)
    assert (line.login, line.forge, line.role, line.via) == ("wren", "github", Role.WRITE, Via.PAGE)
    assert (line.deed, line.subject, line.workspace) == (AuditAction.APPLY, waiting.id, "net")
    assert (line.repo, line.at, line.address) == (REPO, at, "192.0.2.7")
    assert (line.detail, line.ending, line.why) == ("looks good", AuditResult.DONE, "")


def test_what_is_refused_is_noted_with_the_reason(house: House, waiting: Run) -> None:
    with pytest.raises(Forbidden):
        house.controls.confirm(waiting.id, REA)
    house.controls.discard(waiting.id, WREN)
    with pytest.raises(IllegalMove) as caught:
        house.controls.discard(waiting.id, WREN)
    with pytest.raises(NotFound):
        house.controls.cancel("run-none", WREN)
    forbidden, done, late, missing = lines(house)
    assert (forbidden.deed, forbidden.ending, forbidden.workspace) == (
        AuditAction.APPLY,
        AuditResult.REFUSED,
        "net",
    )
    assert "read access" in forbidden.why
    assert (done.deed, done.ending) == (AuditAction.DISCARD, AuditResult.DONE)
    assert (late.subject, late.why) == (waiting.id, str(caught.value))
    assert (missing.deed, missing.subject, missing.repo) == (AuditAction.CANCEL, "run-none", None)


def test_what_comes_to_nothing_leaves_no_line_that_says_it_was_done(house: House, waiting: Run) -> None:
    """The line stands in the transaction of the deed: it goes when that goes."""
    with pytest.raises(RuntimeError), house.store.transaction() as tx:
        house.controls.discarding(WREN, "never mind")(tx, tx.runs.get(waiting.id))
        raise RuntimeError("the process dies here")
    assert lines(house) == []
    assert house.run(waiting.id) == waiting


def test_every_control_is_noted(house: House, waiting: Run) -> None:
    house.controls.discard(waiting.id, WREN)
    again = house.controls.retry(waiting.id, WREN)
    house.controls.cancel(again.id, WREN)
    house.workspace_locks.lock("net", WREN, "freeze")
    house.workspace_locks.unlock("net", Person("ada", Role.ADMIN, PAGE), force=True)
    house.forge.set_branch(REPO, "main", "c1")
    made = house.manual_runs.queue_plan("net", WREN, PlanOptions(plan_only=True, message="why not"))
    with pytest.raises(IllegalMove):
        house.workspace_locks.release_state("net", Person("ada", Role.ADMIN, PAGE))
    found = lines(house)
    assert [line.deed for line in found] == [
        *(
            AuditAction.DISCARD,
            AuditAction.RETRY,
            AuditAction.CANCEL,
            AuditAction.LOCK,
            AuditAction.UNLOCK,
            AuditAction.PLAN,
            AuditAction.RELEASE_STATE,
        )
    ]
    assert (found[1].subject, found[1].detail) == (again.id, f"of {waiting.id}")
    assert (found[3].workspace, found[3].subject, found[3].detail) == ("net", "", "freeze")
    assert "by force; wren (freeze) held it" in found[4].detail
    assert (found[5].subject, found[5].detail) == (made.id, "why not")
    assert found[6].ending is AuditResult.REFUSED


def test_variables_are_noted_without_their_values(house: House) -> None:
    house.workspace("net")
    desk = VariableEditor(house.store, house.clock)
    owner = Person("olga", Role.OWNER, PAGE)
    desk.put(WorkspaceVariables("net"), VariableInput("password", value="hunter2", sensitive=True), WREN)
    desk.put_set("dns", owner, workspaces=["net*"])
    desk.put(SetVariables("dns"), VariableInput("zone", value="secret.example"), owner)
    with pytest.raises(Forbidden):
        desk.put(SetVariables("dns"), VariableInput("zone", value="secret.example"), WREN)
    desk.remove_set("dns", owner)
    found = lines(house)
    assert [(line.deed, line.subject, line.workspace) for line in found] == [
        (AuditAction.SET_VARIABLE, "", "net"),
        (AuditAction.PUT_SET, "dns", ""),
        (AuditAction.SET_VARIABLE, "dns", ""),
        (AuditAction.SET_VARIABLE, "dns", ""),
        (AuditAction.REMOVE_SET, "dns", ""),
    ]
    assert found[0].detail == "the sensitive terraform variable password"
    text = " ".join(map(repr, found))
    assert "hunter2" not in text
    assert "secret.example" not in text


def test_commands_in_comments_are_noted_done_and_refused(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(7, "c1", "net/main.tf")
    house.say(7, "/plan net", by=READER.login)
    house.say(7, "/apply")
    house.say(7, "/discard net because of the freeze")
    house.say(7, "/help")
    found = lines(house)
    assert [(line.login, line.deed, line.ending) for line in found] == [
        ("rea", AuditAction.PLAN, AuditResult.REFUSED),
        ("wren", AuditAction.APPLY, AuditResult.DONE),
        ("wren", AuditAction.DISCARD, AuditResult.REFUSED),
    ]
    assert {(line.via, line.address, line.forge) for line in found} == {
        (Via.COMMENT, "acme/infra#7", "github")
    }
    assert (found[1].workspace, found[1].detail) == ("net", "/apply")
    assert found[1].subject.startswith("run-")
    assert found[0].role is Role.READ
    assert "applied" in found[2].why


def test_controls_by_comment_are_noted_once(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(7, "c1", "net/main.tf")
    house.say(7, "/lock net")
    house.say(7, "/unlock net")
    assert deeds(house) == [
        ("wren", AuditAction.LOCK, AuditResult.DONE),
        ("wren", AuditAction.UNLOCK, AuditResult.DONE),
    ]


def test_a_stranger_who_gets_no_answer_is_noted(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(7, "c1", "net/main.tf")
    house.say(7, "/apply", by="mallory")
    [line] = lines(house)
    assert (line.login, line.role, line.ending) == ("mallory", Role.NONE, AuditResult.REFUSED)
    assert "no access" in line.why


def test_an_owner_by_the_settings_may_command_where_the_forge_gives_no_role(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(7, "c1", "net/main.tf")
    house.say(7, "/apply", by="Olga")
    [line] = lines(house)
    assert (line.login, line.role, line.ending) == ("Olga", Role.OWNER, AuditResult.DONE)


def test_lines_are_found_by_person_deed_workspace_and_time(house: House) -> None:
    for name in ("net", "app"):
        house.workspace(name)
    house.workspace_locks.lock("net", WRITER)
    noon = house.clock.forward(seconds=60)
    house.workspace_locks.lock("app", Person("Ada", Role.ADMIN, PAGE))
    house.workspace_locks.unlock("net", WRITER)
    assert [line.workspace for line in lines(house, login="ADA")] == ["app"]
    assert [line.deed for line in lines(house, workspace="net")] == [AuditAction.LOCK, AuditAction.UNLOCK]
    assert len(lines(house, deed="lock")) == 2
    assert len(lines(house, since=noon)) == 2
    assert len(lines(house, until=noon)) == 1
    newest = lines(house, limit=1)
    assert [line.deed for line in newest] == [AuditAction.UNLOCK]
    assert len(lines(house, before=newest[0].id)) == 2
    assert len(lines(house, limit=2, offset=2)) == 1
    assert lines(house, repos=frozenset()) == []
    assert len(lines(house, repos=frozenset({REPO}))) == 3
