"""The pages of variables: what they show and never show, who may change what, and forms from elsewhere."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.variables import Category, Variable
from bot.services.variables.editor import SetVariables, VariableEditor, VariableInput, WorkspaceVariables
from bot.web.request import access
from tests.web.conftest import World

ANN = Person("ann", Role.OWNER)
SECRET = "xyzzy-plugh-42"


@pytest.fixture
def desk(world: World) -> VariableEditor:
    return world.services.variables


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def send(world: World, page: str, action: str, **fields: Any) -> TestResponse:
    return world.client.post(action, data={"form_token": world.form_token(page), **fields})


def values(world: World, name: str) -> dict[str, Variable]:
    with world.services.store.reading() as tx:
        kept = tx.variables.of_workspace(tx.workspaces.named(name).id)
    return {one.variable.key: one.variable for one in kept}


def test_a_workspaces_page_lists_what_reaches_it_and_where_it_comes_from(
    world: World, desk: VariableEditor
) -> None:
    world.workspace("network")
    desk.put_set("company", ANN, everywhere=True)
    desk.put(SetVariables("company"), VariableInput("region", value="eu-set"), ANN)
    desk.put(SetVariables("company"), VariableInput("OWNER", Category.ENV, "platform"), ANN)
    desk.put(WorkspaceVariables("network"), VariableInput("region", value="eu-own"), ANN)
    desk.put(WorkspaceVariables("network"), VariableInput("token", value=SECRET, sensitive=True), ANN)
    assert 'href="/workspaces/network/variables"' in text(world, "/workspaces/network")
    page = text(world, "/workspaces/network/variables")
    assert page.index("eu-own") < page.index("eu-set"), "the one that wins stands first"
    assert "Not used: the workspace has a variable of the same name, which takes precedence" in page
    assert "the set company" in page
    assert "write only" in page
    assert "platform" in page
    assert SECRET not in page


def test_without_variables_the_pages_say_so(world: World) -> None:
    world.workspace("network")
    assert "This workspace has no variables" in text(world, "/workspaces/network/variables")
    assert "No sets yet" in text(world, "/variable-sets")
    text(world, "/workspaces/nowhere/variables", 404)
    text(world, "/variable-sets/nowhere", 404)


def test_a_variable_is_added_edited_and_unset(world: World) -> None:
    world.workspace("network")
    page = "/workspaces/network/variables"
    done = send(world, page, page, key="region", category="terraform", value="eu", description="Where")
    assert (done.status_code, done.location) == (303, page)
    assert values(world, "network")["region"].value == "eu"
    form = text(world, f"{page}?category=terraform&key=region")
    assert "Edit region" in form
    assert re.search(r"<textarea[^>]*>\neu</textarea>", form)
    send(world, page, page, key="region", category="terraform", value="[1]", hcl="on")
    assert values(world, "network")["region"].hcl
    assert values(world, "network")["region"].value == "[1]"
    done = send(world, page, f"{page}/unset", key="region", category="terraform")
    assert done.status_code == 303
    assert values(world, "network") == {}
    again = send(world, page, f"{page}/unset", key="region", category="terraform")
    assert again.status_code == 404


def test_a_sensitive_value_is_kept_where_the_form_leaves_it_empty_and_never_shown(world: World) -> None:
    world.workspace("network")
    page = "/workspaces/network/variables"
    send(world, page, page, key="token", category="terraform", value=SECRET, sensitive="on")
    form = text(world, f"{page}?category=terraform&key=token")
    assert SECRET not in form
    assert "Write only" in form
    assert 'name="keeps"' in form
    send(world, page, page, key="token", category="terraform", value="", keeps="yes", description="New words")
    kept = values(world, "network")["token"]
    assert (kept.value, kept.description, kept.sensitive) == (SECRET, "New words", True)
    send(world, page, page, key="token", category="terraform", value="another")
    kept = values(world, "network")["token"]
    assert (kept.value, kept.sensitive) == ("another", True), "a slip does not show what was hidden"


def test_lines_end_as_in_a_file_however_a_browser_sends_them(world: World) -> None:
    world.workspace("network")
    page = "/workspaces/network/variables"
    send(world, page, page, key="key", category="env", value="-----\r\nabc\r\n-----\r\n")
    assert values(world, "network")["key"].value == "-----\nabc\n-----\n"


def test_the_largest_value_fits_through_the_form_and_one_more_byte_does_not(world: World) -> None:
    world.workspace("network")
    page = "/workspaces/network/variables"
    large = "ü" * (128 * 1024)
    assert send(world, page, page, key="large", category="terraform", value=large).status_code == 303
    assert values(world, "network")["large"].value == large
    answer = send(world, page, page, key="large", category="terraform", value=large + "x")
    assert answer.status_code == 400
    assert "256 KB) at most" in answer.get_data(as_text=True)
    beyond = send(world, page, page, key="large", category="terraform", value="x" * 2_000_000)
    assert beyond.status_code == 413


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"key": "1a"}, "is not a valid variable name"),
        ({"key": ""}, "variable needs a key"),
        ({"key": "LD_PRELOAD", "category": "env"}, "is set by Plangate itself"),
        ({"key": "a", "category": "odd"}, "Choose a category"),
        ({"key": "a", "category": "env", "hcl": "on"}, "remove hcl"),
    ],
)
def test_what_is_wrong_is_said_and_the_value_not_repeated(
    world: World, fields: dict[str, str], says: str
) -> None:
    world.workspace("network")
    page = "/workspaces/network/variables"
    answer = send(world, page, page, **{"category": "terraform", "value": SECRET, **fields})
    assert answer.status_code == 400
    assert says in html.unescape(answer.get_data(as_text=True))
    assert SECRET not in answer.get_data(as_text=True)


POSTS = [
    "/workspaces/network/variables",
    "/workspaces/network/variables/unset",
    "/variable-sets",
    "/variable-sets/company",
    "/variable-sets/company/unset",
    "/variable-sets/company/remove",
]


@pytest.mark.parametrize("path", POSTS)
def test_a_form_from_elsewhere_changes_nothing(world: World, desk: VariableEditor, path: str) -> None:
    world.workspace("network")
    desk.put_set("company", ANN, everywhere=True)
    desk.put(SetVariables("company"), VariableInput("region", value="eu"), ANN)
    desk.put(WorkspaceVariables("network"), VariableInput("region", value="eu"), ANN)
    fields = {"key": "region", "category": "terraform", "value": "us", "name": "company"}
    before = desk.sets(ANN), desk.of_workspace("network", ANN)
    assert world.client.post(path, data=fields).status_code == 403
    assert world.stranger().post(path, data=fields).status_code == 403
    assert (desk.sets(ANN), desk.of_workspace("network", ANN)) == before


def test_who_may_only_look_gets_no_forms_and_is_refused(
    world: World, desk: VariableEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.workspace("network")
    desk.put_set("company", ANN, everywhere=True)
    desk.put(WorkspaceVariables("network"), VariableInput("region", value="eu"), ANN)
    pages = ("/workspaces/network/variables", "/variable-sets", "/variable-sets/company")
    tokens = {page: world.form_token(page) for page in pages}
    real = access.person_asking
    monkeypatch.setattr(access, "person_asking", lambda: replace(real(), role=Role.READ))
    for page in pages:
        found = text(world, page)
        assert "textarea" not in found
        assert "Unset" not in found
        assert 'class="fields"' not in found
    for path in POSTS:
        fields = {"key": "region", "category": "terraform", "value": "us", "name": "company"}
        token = next(iter(tokens.values()))
        answer = world.client.post(path, data={"form_token": token, **fields})
        assert answer.status_code == 403
        assert "needs" in answer.get_data(as_text=True)


def test_a_set_is_made_filled_and_removed(world: World, desk: VariableEditor) -> None:
    world.workspace("network")
    done = send(world, "/variable-sets", "/variable-sets", name="company", workspaces="net*, other")
    assert (done.status_code, done.location) == (303, "/variable-sets/company")
    page = "/variable-sets/company"
    assert "For net*, other; from alice" in text(world, page)
    send(world, page, page, key="region", category="terraform", value="eu")
    assert "eu" in text(world, "/workspaces/network/variables")
    assert "1 variable" in text(world, "/variable-sets")
    send(world, page, f"{page}/unset", key="region", category="terraform")
    assert desk.set_named("company", ANN).variables == ()
    assert send(world, page, f"{page}/remove").location == "/variable-sets"
    assert desk.sets(ANN) == ()
    wrong = send(world, "/variable-sets", "/variable-sets", name="a/b")
    assert wrong.status_code == 400


def test_what_is_written_in_a_variable_does_nothing_to_the_page(world: World, desk: VariableEditor) -> None:
    world.workspace("network")
    hostile = "<script>alert(1)</script>\"'\x1b[31m\u202e</textarea>"
    wish = VariableInput("region", value=hostile, description=hostile)
    desk.put(WorkspaceVariables("network"), wish, Person("<b>ann", Role.OWNER))
    for path in (
        "/workspaces/network/variables",
        "/workspaces/network/variables?category=terraform&key=region",
    ):
        page = text(world, path)
        assert "<script>alert" not in page
        assert "<b>ann" not in page
        assert "\x1b" not in re.sub(r"<textarea.*?</textarea>|<input[^>]*>", "", page, flags=re.DOTALL)
        assert page.count("</textarea>") == page.count("<textarea")


def test_an_environment_variable_has_a_value_for_each_phase(world: World) -> None:
    world.workspace("network")
    page = "/workspaces/network/variables"
    for value, phase in (("reads", "plan"), ("writes", "apply")):
        done = send(world, page, page, key="KEY", category="env", value=value, phase=phase)
        assert done.status_code == 303
    shown = text(world, page)
    assert "plans only" in shown
    assert "applies only" in shown
    form = text(world, f"{page}?category=env&key=KEY&phase=apply")
    assert re.search(r"<textarea[^>]*>\nwrites</textarea>", form)
    send(world, page, f"{page}/unset", key="KEY", category="env", phase="apply")
    assert values(world, "network")["KEY"].value == "reads"
    refused = send(world, page, page, key="size", category="terraform", value="1", phase="apply")
    assert refused.status_code == 400
    assert send(world, page, page, key="K", category="env", value="1", phase="now").status_code == 400
