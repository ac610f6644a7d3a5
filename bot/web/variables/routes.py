"""The pages of variables: a workspace's, with where each comes from, and the sets; and the forms on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Action, Person
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import Category
from bot.services.documents.variables import variable_document
from bot.services.variables.editor import (
    Owner,
    SetVariables,
    VariableInput,
    VariableSetView,
    VariableView,
    WorkspaceVariables,
)
from bot.web.page import elements, wording
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.request import access, bodies, guard
from bot.web.request.services import services
from bot.web.runs import json_answers
from bot.web.variables.context import SetRow, SetsPage, VariableForm, VariableRow, VariablesPage

FORM_LIMIT = 1024 * 1024
"""How many bytes a form may have: a value of 256 KB, each byte of it written as `%xx`, and the rest."""

MOST_SHOWN = 400
"""How many characters of a value a list shows; the form has all of it."""

blueprint = Blueprint("variables", __name__)

# What of an address tells which variable is meant, with what is meant if it is not said.
_PLACE = {"category": "", "key": "", "phase": Phase.BOTH.value}
_TRUE = ("true", "on", "yes", "1")
_PHASES = {Phase.BOTH: "", Phase.PLAN: "plans only", Phase.APPLY: "applies only"}


# --- a workspace's ------------------------------------------------------------------------------------------


@blueprint.get("/workspaces/<path:name>/variables")
def of_workspace(name: str) -> str | Response:
    """Show every variable that reaches a workspace."""
    person = access.person_asking()
    if bodies.wants_json():
        return jsonify(data=[_json(one) for one in services().variables.of_workspace(name, person)])
    may = person.may(Action.EDIT_VARIABLES)
    found = services().variables.of_workspace(name, person)
    page = VariablesPage(
        chrome=elements.chrome(f"Variables · {name}", person, "workspaces"),
        crumb=Link("Workspaces", url_for("workspaces.home")),
        title=harmless(name),
        tabs=elements.tabs(name, "variables"),
        about="A run gets these values when it is created. A later edit changes only later runs.",
        rows=tuple(_row(one, ".of_workspace", name if may else "") for one in found),
        empty="This workspace has no variables.",
        form=_form(WorkspaceVariables(name), person),
        unset_url=url_for(".unset_in_workspace", name=name),
    )
    return render_template("variables.html", page=page)


@blueprint.post("/workspaces/<path:name>/variables")
@guard.takes(FORM_LIMIT)
def set_in_workspace(name: str) -> Response:
    """Set a workspace's own variable."""
    if bodies.wants_json():
        return jsonify(data=_json(_put_by_program(WorkspaceVariables(name))))
    _put(WorkspaceVariables(name))
    return redirect(url_for(".of_workspace", name=name), 303)


@blueprint.post("/workspaces/<path:name>/variables/unset")
def unset_in_workspace(name: str) -> Response:
    """Remove a workspace's own variable."""
    _unset(WorkspaceVariables(name))
    if bodies.wants_json():
        return jsonify(data=None)
    return redirect(url_for(".of_workspace", name=name), 303)


# --- sets ---------------------------------------------------------------------------------------------------


@blueprint.get("/variable-sets")
def sets() -> str:
    """Show every set."""
    person = access.person_asking()
    page = SetsPage(
        chrome=elements.chrome("Variable sets", person, "variables"),
        rows=tuple(_set_row(one) for one in _visible(services().variables.sets(person), person)),
        action=url_for(".put_set") if person.may(Action.EDIT_VARIABLE_SETS) else "",
    )
    return render_template("variable_sets.html", page=page)


@blueprint.post("/variable-sets")
def put_set() -> Response:
    """Create a set, or change which workspaces a set reaches."""
    person = access.person_asking()
    form = request.form
    name = form.get("name", "").strip()
    services().variables.put_set(
        name,
        person,
        everywhere="everywhere" in form,
        workspaces=form.get("workspaces", "").replace(",", " ").split(),
        description=form.get("description", "").strip(),
    )
    return redirect(url_for(".of_set", name=name), 303)


@blueprint.get("/variable-sets/<name>")
def of_set(name: str) -> str:
    """Show a set's variables."""
    person = access.person_asking()
    found = services().variables.set_named(name, person)
    if not _visible([found], person):
        raise NotFound(f"there is no variable set named {name}")
    may = person.may(Action.EDIT_VARIABLE_SETS)
    page = VariablesPage(
        chrome=elements.chrome(f"Variable set {name}", person, "variables"),
        crumb=Link("Variable sets", url_for(".sets")),
        title=harmless(name),
        tabs=(),
        about=harmless(f"For {found.scope}; from {found.made_by}. {found.description}"),
        rows=tuple(_row(one, ".of_set", name if may else "") for one in found.variables),
        empty="This set is empty.",
        form=_form(SetVariables(name), person),
        unset_url=url_for(".unset_in_set", name=name),
        remove_url=url_for(".remove_set", name=name) if may and not found.from_file else "",
    )
    return render_template("variables.html", page=page)


@blueprint.post("/variable-sets/<name>")
@guard.takes(FORM_LIMIT)
def set_in_set(name: str) -> Response:
    """Set a set's variable."""
    _put(SetVariables(name))
    return redirect(url_for(".of_set", name=name), 303)


@blueprint.post("/variable-sets/<name>/unset")
def unset_in_set(name: str) -> Response:
    """Remove a set's variable."""
    _unset(SetVariables(name))
    return redirect(url_for(".of_set", name=name), 303)


@blueprint.post("/variable-sets/<name>/remove")
def remove_set(name: str) -> Response:
    """Remove a set and its variables."""
    services().variables.remove_set(name, access.person_asking())
    return redirect(url_for(".sets"), 303)


# --- forms --------------------------------------------------------------------------------------------------


def _put(owner: Owner) -> None:
    person = access.person_asking()
    form = request.form
    # A browser ends each line of a text with two characters, which no key or certificate has.
    value = form.get("value", "").replace("\r\n", "\n")
    # Of a sensitive variable the form does not know the value: left empty, it stays.
    keeps = "keeps" in form and not value
    wish = VariableInput(
        key=form.get("key", "").strip(),
        category=_category(form.get("category", "")),
        value=None if keeps else value,
        hcl="hcl" in form,
        sensitive="sensitive" in form,
        description=form.get("description", "").strip(),
        phase=_phase(),
    )
    services().variables.put(owner, wish, person)


def _put_by_program(owner: Owner) -> VariableView:
    """Set a variable. Fields that a program leaves out keep their values: it shows no form that has them."""
    form = request.form
    hcl = form.get("hcl")
    wish = VariableInput(
        key=form.get("key", ""),
        category=_category(form.get("category", Category.TERRAFORM.value)),
        value=form.get("value"),
        hcl=None if hcl is None else hcl in _TRUE,
        sensitive=form.get("sensitive", "") in _TRUE,
        description=form.get("description"),
        phase=_phase(),
    )
    return services().variables.put(owner, wish, access.person_asking())


def _json(one: VariableView) -> dict[str, Any]:
    return {"type": "vars", "attributes": json_answers.attributes(variable_document(one))}


def _unset(owner: Owner) -> None:
    person = access.person_asking()
    category = _category(request.form.get("category", ""))
    services().variables.unset(owner, category, request.form.get("key", ""), person, _phase())


def _category(text: str) -> Category:
    try:
        return Category(text)
    except ValueError:
        raise Invalid("choose a category: Terraform variable or environment variable") from None


def _phase() -> Phase:
    try:
        return Phase(request.form.get("phase", Phase.BOTH))
    except ValueError:
        raise Invalid("a variable's phase is plan, apply or both") from None


def _form(owner: Owner, person: Person) -> VariableForm | None:
    """Return the form: empty, or filled with the variable that the address asks to edit."""
    if isinstance(owner, SetVariables):
        here, action = url_for(".of_set", name=owner.name), url_for(".set_in_set", name=owner.name)
        may = person.may(Action.EDIT_VARIABLE_SETS)
        found = services().variables.set_named(owner.name, person).variables
    else:
        here = url_for(".of_workspace", name=owner.name)
        action = url_for(".set_in_workspace", name=owner.name)
        may = person.may(Action.EDIT_VARIABLES)
        found = services().variables.of_workspace(owner.name, person)
    if not may:
        return None
    token = access.form_token(person)
    asked = tuple(request.args.get(name, usual) for name, usual in _PLACE.items())
    one = next((each for each in found if each.editable and each.place == asked), None)
    if one is None:
        return VariableForm("Add a variable", action, token, editing=False)
    return VariableForm(
        title=f"Edit {one.key}",
        action=action,
        token=token,
        editing=True,
        key=one.key,
        category=one.category.value,
        phase=one.phase.value,
        value=one.value or "",
        hcl=one.hcl,
        sensitive=one.sensitive,
        description=one.description,
        cancel_url=here,
    )


# --- lines --------------------------------------------------------------------------------------------------


def _row(one: VariableView, page: str, owner: str) -> VariableRow:
    """Return a variable as a line; `page` and `owner` lead to the form, none for who may only look."""
    value = one.value or ""
    shown = "".join(harmless(line) + "\n" for line in value[:MOST_SHOWN].split("\n")).rstrip("\n")
    kind = "environment" if one.category is Category.ENV else "HCL" if one.hcl else "Terraform"
    source = Link("this workspace")
    if one.set_name is not None:
        source = Link(one.source, url_for(".of_set", name=one.set_name))
    edit_url = ""
    if owner and one.editable:
        edit_url = url_for(page, name=owner, category=one.category.value, key=one.key, phase=one.phase.value)
    return VariableRow(
        key=harmless(one.key),
        value=shown + ("…" if len(value) > MOST_SHOWN else ""),
        write_only=one.value is None,
        kind=kind,
        description=harmless(one.description),
        source=source,
        set_by=harmless(one.set_by),
        when=wording.moment(one.at, services().clock.now()),
        hidden_by=harmless(one.hidden_by),
        edit_url=edit_url,
        category=one.category.value,
        phase=one.phase.value,
        phase_words=_PHASES[one.phase],
    )


def _visible(sets: Sequence[VariableSetView], person: Person) -> Sequence[VariableSetView]:
    """Return the sets that reach a workspace which the person may see; who may change them sees all."""
    if person.may(Action.EDIT_VARIABLE_SETS):
        return sets
    with services().store.reading() as tx:
        every = tx.workspaces.all()
    readable = access.readable(workspace.repo for workspace in every)
    seen = [each for each in every if each.repo in readable]
    return [one for one in sets if any(one.reaches(each.name, each.project) for each in seen)]


def _set_row(one: VariableSetView) -> SetRow:
    count = len(one.variables)
    return SetRow(
        name=harmless(one.name),
        url=url_for(".of_set", name=one.name),
        reaches=harmless(one.scope),
        count=f"{count} variable{'s' * (count != 1)}",
        made_by=harmless(one.made_by),
        description=harmless(one.description),
    )
