"""The one gate that every request passes before its view: who asks, is the form ours, may they be here.

A view that is not named here is for owners alone, until somebody says which repository it is of. What a
person may not read is not there for them (404), in the very words of what is not there at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from flask import Flask, current_app, g, request

from bot.domain.audit import Deed
from bot.domain.errors import Forbidden, ForgeError, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.domain.origins import Origin, Via
from bot.domain.permissions import Person, Role
from bot.services.auditing import refused
from bot.services.ports import Transaction
from bot.web import access
from bot.web.needs import services

# Webhooks and Terraform prove by themselves who they are; the rest is how one gets in, and what looks.
OPEN = frozenset(
    {
        "static",
        "hooks.receive",
        "state.state",
        "health.healthz",
        "health.readyz",
        "sign_in.show",
        "sign_in.enter",
        "forge_sign_in.begin",
        "forge_sign_in.callback",
    }
)

# Of no one repository: these show and do only what the person may, and find that out by themselves.
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
        "activity.show",
        "activity.export",
        "tokens.show",
        "tokens.make",
        "tokens.revoke",
    }
)

# All that programs with a token may ask for: what answers in JSON, and the output. Tokens make no tokens.
PROGRAMS = frozenset(
    {
        "workspaces.home",
        "workspaces.show",
        "workspaces.current",
        "workspaces.latest",
        "controls.queue_plan",
        "runs.show",
        "runs.output",
        "runs.comment",
        "runs.act",
    }
)

log = logging.getLogger(__name__)

_SAFE = ("GET", "HEAD", "OPTIONS")
_FORM_LIMIT = "plangate_form_limit"
_View = TypeVar("_View", bound=Callable[..., object])


def install(app: Flask) -> None:
    """Let nothing by."""
    app.before_request(_check)


def takes(limit: int) -> Callable[[_View], _View]:
    """Let a view's form have so many bytes, where other forms have fewer."""

    def mark(view: _View) -> _View:
        setattr(view, _FORM_LIMIT, limit)
        return view

    return mark


def _check() -> None:
    if request.url_rule is None or request.endpoint in OPEN:
        return
    g.asker = found = access.find()
    g.person = nobody = Person(found.account.login, Role.NONE, _origin(found))
    if request.method not in _SAFE:
        view = current_app.view_functions[request.endpoint or ""]
        if limit := getattr(view, _FORM_LIMIT, None):
            request.max_content_length = request.max_form_memory_size = limit
        # No page from elsewhere can have a browser send a token: it takes one that knows it.
        if found.token is None:
            access.check_form(g.person)
    try:
        if found.token is not None and not _for_programs():
            raise Forbidden("That is not for programs with a token: do it on the page, signed in.")
        g.person = replace(nobody, role=min(_role(found), found.most))
    except (NotFound, Forbidden) as error:
        if request.method not in _SAFE:
            with services().store.transaction() as tx:
                refused(tx, services().clock, nobody, Deed.REQUEST, request.path, error)
        raise


def _origin(found: access.Asker) -> Origin:
    address = request.remote_addr or ""
    if found.token is not None:
        return Origin(Via.TOKEN, found.account.forge, address, found.token.name)
    return Origin(Via.PAGE, found.account.forge, address)


def _for_programs() -> bool:
    # Who may override is said by the policy sets' owners, not by a role that a scope could bound.
    return request.endpoint in PROGRAMS and (request.view_args or {}).get("verb") != "override"


def _role(asker: access.Asker) -> Role:
    """Return the asker's role in what the address is of. Raises NotFound, Forbidden, ForgeError."""
    if services().rights.owns(asker.account):
        return Role.OWNER
    if request.endpoint in EVERYBODYS:
        return Role.READ
    place = _place()
    if place is None:
        raise Forbidden("This page is for the owners of this Plangate.")
    what, repo = place
    role = Role.NONE if repo is None else _asked(asker, repo)
    if role < Role.READ:
        raise NotFound(f"there is no {what}")
    return role


def _asked(asker: access.Asker, repo: RepoRef) -> Role:
    try:
        return services().rights.role(asker.account, repo)
    except ForgeError as error:
        # The forge's words name the repository, which may be one that is not for them to know of.
        log.warning("what %s may do in %s is not known: %s", asker.account, repo, error)
        raise ForgeUnavailable(
            f"{repo.forge} does not say what you may do here, and so nothing is shown: try again in a moment"
        ) from error


def _place() -> tuple[str, RepoRef | None] | None:
    """Return what the address is of, in words, and its repository if there is such a thing."""
    args = request.view_args or {}
    rule = request.url_rule.rule if request.url_rule else ""
    if "run_id" in args:
        run_id = args["run_id"]
        return f"run {run_id}", _found(lambda tx: _of_workspace(tx, tx.runs.get(run_id).workspace_id))
    if rule.startswith("/workspaces/<path:name>"):
        name = args["name"]
        return f"workspace named {name}", _found(lambda tx: tx.workspaces.named(name).repo)
    if "change_id" in args:
        change_id = args["change_id"]
        return f"change {change_id}", _found(lambda tx: tx.changes.get(change_id).change.repo)
    return None


def _of_workspace(tx: Transaction, workspace_id: str) -> RepoRef:
    return tx.workspaces.get(workspace_id).repo


def _found(look: Callable[[Transaction], RepoRef]) -> RepoRef | None:
    try:
        with services().store.reading() as tx:
            return look(tx)
    except NotFound:
        return None
