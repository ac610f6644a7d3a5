"""Finds workspaces and runs for who asks, with their role there. What is hidden is not found (404)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.errors import ForgeUnavailable, NotFound
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.web.api import organizations
from bot.web.request import access
from bot.web.request.services import services


def workspace(workspace_id: str, least: Role = Role.READ) -> tuple[Workspace, Person]:
    """Return a workspace by its id, and who asks with their role there. Raises NotFound."""
    with services().store.reading() as tx:
        found = tx.workspaces.get(workspace_id)
    return found, person_in(found, least)


def named(organization: str, name: str, least: Role = Role.READ) -> tuple[Workspace, Person]:
    """Return a workspace by its name, and who asks with their role there. Raises NotFound."""
    organizations.check_name(organization)
    with services().store.reading() as tx:
        found = tx.workspaces.named(name)
    return found, person_in(found, least)


def run(run_id: str, least: Role = Role.READ) -> tuple[Run, Workspace, Person]:
    """Return a run with its workspace, and who asks with their role there. Raises NotFound."""
    with services().store.reading() as tx:
        found = tx.runs.get(run_id)
        there = tx.workspaces.get(found.workspace_id)
    return found, there, person_in(there, least)


def person_in(there: Workspace, least: Role = Role.READ) -> Person:
    """Return who asks with their role in a workspace. Raises NotFound if it is less than `least`."""
    asker = access.asker()
    reached = asker.token is None or asker.token.reaches(there.name)
    if not reached or not there.active:
        raise NotFound(f"there is no workspace {there.name}")
    role = access.roles([there.repo]).get(there.repo)
    if role is None:
        raise ForgeUnavailable(f"{there.repo.forge} does not say what you may do here: try again")
    if role < least:
        raise NotFound(f"there is no workspace {there.name}")
    return replace(access.person_asking(), role=role)


def visible() -> Sequence[tuple[Workspace, Person]]:
    """Return all workspaces that who asks may see, by name, each with who asks and their role there."""
    with services().store.reading() as tx:
        there = tx.workspaces.all()
    asker, person = access.asker(), access.person_asking()
    roles = access.roles({each.repo for each in there})
    return [
        (each, replace(person, role=roles[each.repo]))
        for each in there
        if roles.get(each.repo, Role.NONE) >= Role.READ
        and (asker.token is None or asker.token.reaches(each.name))
    ]
