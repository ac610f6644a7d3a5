"""Teams and memberships, for reading: plangate.yml names the teams, and roles come from the forge.

Nobody is put into a team here. So a team gives no rights, and clients see that.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, request

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Role
from bot.web.api import documents, organizations, reading, rights
from bot.web.api.account import user, user_id
from bot.web.api.documents import ApiLink, ApiLinks, ApiResource
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiParameter, ApiRoutes
from bot.web.request import access
from bot.web.request.services import services

routes = ApiRoutes("teams")

OWNERS = "owners"
"""The team of the people in PLANGATE_OWNERS, as HashiCorp names it."""

_TEAMS = "/organizations/<organization_name>/teams"
_TEAM = "/teams/<team_id>"
_MEMBERS = "/organizations/<organization_name>/organization-memberships"
_REFUSED = (
    "plangate.yml names the teams of workspaces, and the forge says who may do what: change that there. "
    "PLANGATE_OWNERS names the owners"
)


@routes.get(
    _TEAMS,
    summary="List the teams that own workspaces, and the owners",
    gives="teams",
    many=True,
    query=(ApiParameter("filter[names]", "names, with commas"), ApiParameter("q", "a part of the name")),
)
def listing(organization_name: str) -> Response:
    """Answer with the owners, and with the teams of the workspaces that who asks may see."""
    organizations.check_name(organization_name)
    names, wanted = reading.words("filter[names]"), request.args.get("q", "").casefold()
    found = [each for each in _names() if (not names or each in names) and wanted in each.casefold()]
    part, page = reading.part(found)
    return documents.many(map(_team, part), page)


@routes.post(_TEAMS, summary="Refused: plangate.yml names the teams")
def create(organization_name: str) -> Response:
    """Refuse, and say where teams are named."""
    organizations.check_name(organization_name)
    raise Invalid(_REFUSED)


@routes.get(_TEAM, summary="Show a team", gives="teams")
def show(team_id: str) -> Response:
    """Answer with a team."""
    return documents.one(_team(_named(team_id)))


@routes.patch(_TEAM, summary="Refused: plangate.yml names the teams")
def change(team_id: str) -> Response:
    """Refuse, and say where teams are named."""
    _named(team_id)
    raise Invalid(_REFUSED)


@routes.delete(_TEAM, summary="Refused: plangate.yml names the teams")
def delete(team_id: str) -> Response:
    """Refuse, and say where teams are named."""
    _named(team_id)
    raise Invalid(_REFUSED)


@routes.get(_MEMBERS, summary="List memberships: one's own", gives="organization-memberships", many=True)
def memberships(organization_name: str) -> Response:
    """Answer with the membership of who asks."""
    organizations.check_name(organization_name)
    return documents.every([_membership()])


@routes.get(
    "/organization-memberships",
    summary="List one's own memberships",
    gives="organization-memberships",
    many=True,
)
def own_memberships() -> Response:
    """Answer with the membership of who asks."""
    return documents.every([_membership()])


@routes.get(
    "/organization-memberships/<membership_id>",
    summary="Show one's own membership",
    gives="organization-memberships",
    includes=("user",),
)
def membership(membership_id: str) -> Response:
    """Answer with the membership of who asks; others are not shown."""
    found = _membership()
    if membership_id != found.id:
        raise NotFound(f"there is no membership {membership_id}")
    users: dict[str, reading.Include[ApiResource]] = {"user": lambda _: [user(access.asker().account)]}
    return documents.one(found, included=reading.included([found], users))


@routes.post(_MEMBERS, summary="Refused: people who can sign in are members")
def invite(organization_name: str) -> Response:
    """Refuse, and say who is a member."""
    organizations.check_name(organization_name)
    raise Invalid("people who can sign in are members: PLANGATE_MEMBER_ROLE says what they may do")


def _names() -> Sequence[str]:
    named = {there.team for there, _ in rights.visible()} - {"", OWNERS}
    return (OWNERS, *sorted(named))


def _named(team_id: str) -> str:
    for name in _names():
        if _id(name) == team_id:
            return name
    raise NotFound(f"there is no team {team_id}")


def _id(name: str) -> str:
    return f"team-{short_hash(name)}"


def _team(name: str) -> ApiResource:
    owners = name == OWNERS
    access_words = (
        "manage-policies",
        "manage-policy-overrides",
        "manage-workspaces",
        "manage-vcs-settings",
        "manage-projects",
        "read-workspaces",
        "read-projects",
    )
    refused = (
        "can-destroy",
        "can-update-membership",
        "can-update-organization-access",
        "can-update-api-token",
    )
    return ApiResource(
        "teams",
        _id(name),
        {
            "name": name,
            "users-count": 0,
            "visibility": "organization",
            "sso-team-id": None,
            "allow-member-token-management": False,
            "organization-access": dict.fromkeys(access_words, owners),
            "permissions": dict.fromkeys(refused, False),
        },
        {"organization": ApiLink("organizations", services().config.organization.name)},
        {"self": f"/api/v2/teams/{_id(name)}"},
    )


def _membership() -> ApiResource:
    account = access.asker().account
    # What the person is, not what this token may do.
    owns = services().roles.in_organization(account) >= Role.OWNER
    membership_id = f"ou-{short_hash('/'.join(account.key))}"
    return ApiResource(
        "organization-memberships",
        membership_id,
        {"status": "active", "email": "", "created-at": "2026-01-01T00:00:00.000Z"},
        {
            "user": ApiLink("users", user_id(account)),
            "organization": ApiLink("organizations", services().config.organization.name),
            "teams": ApiLinks("teams", (_id(OWNERS),) if owns else ()),
        },
        {"self": f"/api/v2/organization-memberships/{membership_id}"},
    )
