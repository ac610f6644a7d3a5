"""The organization: there is one, and the settings name it."""

from __future__ import annotations

from flask import Response

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Role
from bot.domain.workspaces.project import DEFAULT_ID
from bot.web.api import documents, reading
from bot.web.api.documents import ApiLink, ApiResource, Related
from bot.web.api.registry import ApiRoutes
from bot.web.request import access
from bot.web.request.services import services

routes = ApiRoutes("organizations")

_ONE = (
    "there is one organization, and the server's settings say what it is: PLANGATE_ORGANIZATION, "
    "PLANGATE_OWNERS and PLANGATE_MEMBER_ROLE"
)


@routes.get(
    "/organizations", summary="List the organizations: there is one", gives="organizations", many=True
)
def listing() -> Response:
    """Answer with the one organization."""
    found, page = reading.part([organization()])
    return documents.many(found, page)


@routes.get("/organizations/<organization_name>", summary="Show the organization", gives="organizations")
def show(organization_name: str) -> Response:
    """Answer with the organization."""
    check_name(organization_name)
    return documents.one(organization())


@routes.get(
    "/organizations/<organization_name>/entitlement-set",
    summary="Say what the organization can do",
    gives="entitlement-sets",
)
def entitlements(organization_name: str) -> Response:
    """Answer with what is built: clients run everything themselves unless `operations` is true."""
    check_name(organization_name)
    return documents.one(
        ApiResource(
            "entitlement-sets",
            f"org-{services().config.organization.name}",
            {
                "operations": True,
                "state-storage": True,
                "policy-enforcement": True,
                "sentinel": True,
                "vcs-integrations": True,
                "teams": True,
                "user-limit": None,
                "run-tasks": False,
                "agents": False,
                "cost-estimation": False,
                "configuration-designer": False,
                "private-module-registry": False,
                "audit-logging": False,
                "sso": False,
                "self-serve-billing": False,
            },
            links={"self": f"/api/v2/organizations/{organization_name}/entitlement-set"},
        )
    )


@routes.patch(
    "/organizations/<organization_name>",
    summary="Refused: the server's settings say what the organization is",
)
def change(organization_name: str) -> Response:
    """Refuse, and say where the organization is set up."""
    check_name(organization_name)
    raise Invalid(_ONE)


@routes.delete("/organizations/<organization_name>", summary="Refused: there is always one organization")
def delete(organization_name: str) -> Response:
    """Refuse, and say where the organization is set up."""
    check_name(organization_name)
    raise Invalid(_ONE)


@routes.post("/organizations", summary="Refused: there is one organization")
def create() -> Response:
    """Refuse, and say where the organization is set up."""
    raise Invalid(_ONE)


def check_name(name: str) -> None:
    """Make sure that a name is the organization's. Raises NotFound."""
    if name != services().config.organization.name:
        raise NotFound(f"there is no organization {name}")


def organization() -> ApiResource:
    """Return the organization as who asks sees it."""
    name, role = services().config.organization.name, access.person_asking().role
    owns, makes = role >= Role.OWNER, role >= Role.ADMIN
    return ApiResource(
        "organizations",
        name,
        {
            "name": name,
            "external-id": f"org-{name}",
            "email": "",
            "created-at": "2026-01-01T00:00:00.000Z",
            "cost-estimation-enabled": False,
            "default-execution-mode": "remote",
            "allow-force-delete-workspaces": True,
            "assessments-enforced": False,
            "collaborator-auth-policy": "password",
            "plan-expired": False,
            "saml-enabled": False,
            "two-factor-conformant": True,
            "send-passing-statuses-for-untriggered-speculative-plans": True,
            "permissions": {
                "can-update": False,
                "can-destroy": False,
                "can-access-via-teams": True,
                "can-create-workspace": makes,
                "can-create-team": False,
                "can-create-module": False,
                "can-manage-users": False,
                "can-create-project": makes,
                "can-manage-tags": makes,
                "can-update-agent-pools": False,
                "can-update-sentinel": False,
                "can-traverse": True,
                "can-start-trial": False,
                "can-update-api-token": owns,
                "can-update-oauth": False,
            },
        },
        {
            "entitlement-set": Related(f"/api/v2/organizations/{name}/entitlement-set"),
            "default-project": ApiLink("projects", DEFAULT_ID, f"/api/v2/projects/{DEFAULT_ID}"),
        },
        {"self": f"/api/v2/organizations/{name}"},
    )
