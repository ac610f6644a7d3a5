"""Registers a GitHub App from a manifest: what a page posts to GitHub, and the credentials for its code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.domain.errors import Invalid
from bot.forges.fields import number, optional_text, text
from bot.forges.github.api import PUBLIC_API, Api, Ask
from bot.forges.timeouts import Timeouts

# Each is here because of a call or an event; a permission more would frighten who installs the App.
PERMISSIONS = {
    "contents": "read",  # fetch by Git, compare, branches
    "issues": "write",  # comments and reactions, and their events
    "merge_queues": "read",  # the event of a merge queue
    "metadata": "read",  # roles; GitHub asks for it always
    "pull_requests": "write",  # files; comments on pull requests, and their events
    "statuses": "write",
}
EVENTS = ("issue_comment", "merge_group", "pull_request", "pull_request_review", "push")
# Requested, but needed only for merge queues.
FOR_QUEUES = frozenset({"merge_queues", "merge_group"})
# Without the reviews' event, approvals are noticed when somebody asks for an apply.
OPTIONAL = FOR_QUEUES | {"pull_request_review"}
# Optional: for `automerge`, and for teams in CODEOWNERS or as owners of policies.
FOR_MERGING = {"contents": "write"}
FOR_TEAMS = {"members": "read"}
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True)
class NewApp:
    """An App that GitHub has just registered, with its secrets, which GitHub tells this once."""

    app_id: int
    slug: str
    html_url: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


def manifest(
    public_url: str,
    name: str,
    *,
    forge: str = "github",
    redirect_url: str = "",
    merges: bool = False,
    teams: bool = False,
) -> dict[str, object]:
    """Return the manifest that a form posts to GitHub as `manifest`.

    GitHub sends the person back to `redirect_url` with `?code=`, by default `<public_url>/setup/<forge>`.
    `merges` asks for what `automerge` needs, `teams` for what team owners do.
    """
    public = public_url.rstrip("/")
    more = {**(FOR_MERGING if merges else {}), **(FOR_TEAMS if teams else {})}
    return {
        "name": name,
        "url": public,
        "description": "Plans and applies Terraform from pull requests.",
        "hook_attributes": {"url": f"{public}/hooks/{forge}", "active": True},
        "callback_urls": [f"{public}/sign-in/{forge}/callback"],
        "redirect_url": redirect_url or f"{public}/setup/{forge}",
        "public": False,
        "default_permissions": PERMISSIONS | more,
        "default_events": list(EVENTS),
    }


def exchange(code: str, api_url: str = PUBLIC_API, *, timeouts: Timeouts | None = None) -> NewApp:
    """Return the App for the code that GitHub sent back: good for an hour, and once.

    Raises Invalid for what cannot be a code, NotFound for one that is used up or too old, ForgeUnavailable
    and ForgeRefused.
    """
    if not _CODE.fullmatch(code):
        raise Invalid("the code does not come from GitHub")
    api = Api("GitHub", api_url, timeouts or Timeouts())
    what = "App for this code"
    found = api.call("", Ask("POST", f"/app-manifests/{code}/conversions", what)).data
    with api.expecting(what):
        return NewApp(
            app_id=number(found, "id"),
            slug=text(found, "slug"),
            html_url=text(found, "html_url"),
            private_key=text(found, "pem"),
            webhook_secret=text(found, "webhook_secret"),
            client_id=optional_text(found, "client_id") or "",
            client_secret=optional_text(found, "client_secret") or "",
        )
