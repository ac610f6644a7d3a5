"""The people who approved runs, and what they may still do when an apply starts or goes on."""

from __future__ import annotations

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.workspaces.workspace import Workspace
from bot.services.people.identities import Identities
from bot.services.people.roles import Roles


class Approvers:
    """Says who gave an approval, and what they may still do."""

    def __init__(self, identities: Identities, roles: Roles) -> None:
        self._identities = identities
        self._roles = roles

    def now(self, workspace: Workspace, record: ApprovalRecord) -> Person:
        """Return the person who approved, with their current role. They have none if they lost their login.

        Raises ForgeUnavailable, ForgeRefused.
        """
        forge = workspace.repo.forge if record.forge is None else record.forge
        if not forge:
            return Person(record.by, Role.OWNER)
        account = Account(forge, record.by, record.uid)
        if not self._identities.still_has_its_login(account, workspace.repo):
            return Person(record.by, Role.NONE)
        return Person(record.by, self._roles.ask(account, workspace.repo))
