"""The gate before every view: who asks, is the form ours, may they see this page.

A view that is not listed here is only for owners. A page that a person may not read looks exactly like a
page that does not exist (404).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from flask import Flask, current_app, g, request

from bot.domain.errors import Forbidden, ForgeError, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.domain.people.audit import AuditAction
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.people.tokens import ApiToken, Scope
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.audit_log import refused
from bot.services.ports import Transaction
from bot.web.request import access
from bot.web.request.services import services

# Webhooks and Terraform prove by themselves who they are; the rest is how one gets in, and what looks.
OPEN = frozenset(
    {
        "static",
        "hooks.receive",
        "state.state",
        "health.healthz",
        "health.readyz",
        "metrics.metrics",
        "identity.discovery",
        "well_known.terraform",
        "well_known.run_page",
        "well_known.workspace_page",
        "well_known.token_page",
        "program_login.exchange",
        "identity.key_set",
        "sign_in.show",
        "sign_in.enter",
        "forge_sign_in.begin",
        "forge_sign_in.callback",
    }
)

# It has a gate of its own, with tokens only: web/api/gate.py.
API = "api"

# Views without a repository: they check themselves what the person may see and do.
EVERYBODYS = frozenset(
    {
        "workspaces.home",
        "variables.sets",
        "variables.put_set",
        "variables.of_set",
        "variables.set_in_set",
        "variables.unset_in_set",
        "variables.remove_set",
        "sign_in.leave",
        "search.show",
        "estate.show",
        "drift.listing",
        "current_resources.show",
        "why.show",
        "activity.show",
        "activity.export",
        "tokens.show",
        "tokens.make",
        "tokens.revoke",
        "program_login.show",
        "program_login.decide",
        "new_workspace.show",
        "new_workspace.create",
    }
)

# All views for programs with a token, each with the least scope: JSON, output, the plan and the state. The
# person's role decides, too. A token can't create tokens.
PROGRAMS = {
    "workspaces.home": Scope.READ,
    "workspaces.show": Scope.READ,
    "workspaces.current": Scope.READ,
    "workspaces.latest": Scope.READ,
    "search.show": Scope.READ,
    "why.show": Scope.READ,
    "controls.queue_plan": Scope.READ,
    "runs.show": Scope.READ,
    "runs.output": Scope.READ,
    "runs.plan_text": Scope.READ,
    "runs.comment": Scope.READ,
    "runs.act": Scope.READ,
    "controls.lock": Scope.ADMIN,
    "controls.unlock": Scope.ADMIN,
    "controls.release_state": Scope.ADMIN,
    "variables.of_workspace": Scope.ADMIN,
    "variables.set_in_workspace": Scope.ADMIN,
    "variables.unset_in_workspace": Scope.ADMIN,
    "state_versions.listing": Scope.ADMIN,
    "state_versions.show": Scope.ADMIN,
    "state_versions.download": Scope.ADMIN,
}

# Lists that leave out by themselves what a token does not reach.
LISTS = frozenset({"workspaces.home", "search.show", "why.show"})

log = logging.getLogger(__name__)

_SAFE = ("GET", "HEAD", "OPTIONS")
_FORM_LIMIT = "plangate_form_limit"
_Found = TypeVar("_Found")
_View = TypeVar("_View", bound=Callable[..., object])


def install(app: Flask) -> None:
    """Let nothing by."""
    app.before_request(_check)


def takes(limit: int) -> Callable[[_View], _View]:
    """Allow a larger body for the form of this view."""

    def mark(view: _View) -> _View:
        setattr(view, _FORM_LIMIT, limit)
        return view

    return mark


def _check() -> None:
    if request.url_rule is None or request.endpoint in OPEN or request.blueprint == API:
        return
    g.asker = found = access.find()
    g.person = nobody = Person(found.account.login, Role.NONE, origin_of(found))
    if request.method not in _SAFE:
        view = current_app.view_functions[request.endpoint or ""]
        if limit := getattr(view, _FORM_LIMIT, None):
            request.max_content_length = request.max_form_memory_size = limit
        # No page from elsewhere can have a browser send a token: it takes one that knows it.
        if found.token is None:
            access.check_form(g.person)
    try:
        if found.token is not None:
            _check_program(found.token)
        _check_limits(found)
        g.person = replace(nobody, role=min(_role(found), found.most))
    except (NotFound, Forbidden) as error:
        if request.method not in _SAFE:
            with services().store.transaction() as tx:
                refused(tx, services().clock, nobody, AuditAction.REQUEST, request.path, error)
        raise


def origin_of(found: access.Asker) -> Origin:
    """Return where a request comes from, for the audit log."""
    address = request.remote_addr or ""
    if found.token is not None:
        return Origin(Via.TOKEN, found.account.forge, address, found.token.name, found.account.uid)
    return Origin(Via.PAGE, found.account.forge, address, uid=found.account.uid)


def _check_program(token: ApiToken) -> None:
    """Make sure that the view is for programs with a token of this scope. Raises Forbidden."""
    needed = PROGRAMS.get(request.endpoint or "")
    # The owners of policy sets decide who may override, not a role that a scope could limit.
    if needed is None or (request.view_args or {}).get("verb") == "override":
        raise Forbidden("A token can't do this: sign in and use the page.")
    if token.scope.lends < needed.lends:
        raise Forbidden(
            f"The token {token.name} has the scope {token.scope}, and this needs the scope {needed}: create "
            "another token on the page Your tokens."
        )


def _check_limits(asker: access.Asker) -> None:
    """Make sure that a token that is limited to some workspaces asks for one of them. Raises NotFound."""
    token = asker.token
    if token is None or not token.workspaces or request.endpoint in LISTS:
        return
    place = _place()
    if place is None or place.workspace is None or not token.reaches(place.workspace.name):
        # Whether there is such a thing is not for its program to know.
        raise NotFound(f"there is no {place.what if place else 'such page'}")


def _role(asker: access.Asker) -> Role:
    """Return the person's role for this page. Raises NotFound, Forbidden, ForgeError."""
    if services().roles.owns(asker.account):
        return Role.OWNER
    if request.endpoint in EVERYBODYS:
        return Role.READ
    place = _place()
    if place is None:
        raise Forbidden("Only owners of this Plangate can see this page.")
    role = Role.NONE if place.repo is None else _asked(asker, place.repo)
    if role < Role.READ:
        raise NotFound(f"there is no {place.what}")
    return role


def _asked(asker: access.Asker, repo: RepoRef) -> Role:
    try:
        return services().roles.role(asker.account, repo)
    except ForgeError as error:
        # The forge's words name the repository, which may be one that is not for them to know of.
        log.warning("what %s may do in %s is not known: %s", asker.account, repo, error)
        raise ForgeUnavailable(
            f"{repo.forge} does not say what you may do here, so nothing is shown: try again in a moment"
        ) from error


@dataclass(frozen=True)
class _Place:
    """What an address is of, in words; its repository and its workspace, if there is such a thing."""

    what: str
    repo: RepoRef | None
    workspace: Workspace | None = None


def _place() -> _Place | None:
    """Return what the address is of."""
    args = request.view_args or {}
    rule = request.url_rule.rule if request.url_rule else ""
    if "run_id" in args:
        run_id = args["run_id"]
        return _in_workspace(f"run {run_id}", lambda tx: tx.workspaces.get(tx.runs.get(run_id).workspace_id))
    if rule.startswith("/workspaces/<path:name>"):
        name = args["name"]
        return _in_workspace(f"workspace named {name}", lambda tx: tx.workspaces.named(name))
    if "change_id" in args:
        change_id = args["change_id"]
        return _Place(f"change {change_id}", _found(lambda tx: tx.changes.get(change_id).change.repo))
    return None


def _in_workspace(what: str, look: Callable[[Transaction], Workspace]) -> _Place:
    workspace = _found(look)
    return _Place(what, workspace.repo if workspace else None, workspace)


def _found(look: Callable[[Transaction], _Found]) -> _Found | None:
    try:
        with services().store.reading() as tx:
            return look(tx)
    except NotFound:
        return None
