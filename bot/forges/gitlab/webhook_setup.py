"""Checks a project's webhooks and our token on GitLab, for `plangate doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.events import RepoRef
from bot.forges.diagnosis import ending
from bot.forges.fields import flag, look, moment, optional_text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project
from bot.forges.gitlab.trains import has_trains
from bot.services.ports import ForgeFault

_EVENTS = {
    "push_events": "push",
    "tag_push_events": "tag push",
    "note_events": "comments",
    "merge_requests_events": "merge request",
}
_FOR_TRAINS = {"pipeline_events": "pipeline"}
# GitLab disables a failing webhook, temporarily or permanently.
_OFF = ("temporarily_disabled", "disabled")


def token_faults(api: Api, now: datetime) -> Iterator[ForgeFault]:
    """Yield faults of the token itself: one call. Nothing if GitLab gives no information about it.

    Source: https://docs.gitlab.com/api/personal_access_tokens/#self-inform, for project and group tokens too
    """
    try:
        found = api.call("get", "/personal_access_tokens/self", "our own token").data
    except (ForgeRefused, NotFound):
        return
    scopes = look(found, "scopes")
    if isinstance(scopes, list) and "api" not in scopes:
        yield ForgeFault(
            "our token lacks the scope `api`, so it can't set statuses", "Create one with this scope"
        )
    yield from ending(moment(found, "expires_at"), now)


def hook_faults(api: Api, repo: RepoRef, url: str) -> Iterator[ForgeFault]:
    """Yield faults of a project's webhook, whose address should be `url`: two calls.

    Nothing if we may not see it: GitLab requires the role Maintainer.
    """
    try:
        pages = list(api.pages(f"{project(repo)}/hooks", f"webhooks of {repo.path}"))
    except (ForgeRefused, NotFound):
        return
    here = [hook for page in pages for hook in page if leads(hook, url)]
    if not here:
        advice = f"Add one that leads to {url}, unless a group above has it"
        yield ForgeFault(f"{repo.path} has no webhook of its own that leads here", advice, sure=False)
        return
    wanted = _EVENTS | (_FOR_TRAINS if has_trains(api.call("get", project(repo), repo.path).data) else {})
    missing = [said for event, said in wanted.items() if look(here[0], event) is False]
    if missing:
        yield ForgeFault(f"the webhook of {repo.path} does not send {', '.join(missing)}", "Add these events")
    if optional_text(here[0], "alert_status") in _OFF:
        found = f"GitLab has switched the webhook of {repo.path} off, because it failed"
        yield ForgeFault(
            found,
            f"Check that it reaches {url} and has the same secret as these settings, then test it there",
        )
    if url.startswith("https://") and not flag(here[0], "enable_ssl_verification"):
        advice = "Switch SSL verification on"
        yield ForgeFault(f"the webhook of {repo.path} does not verify who answers", advice, sure=False)


def leads(hook: object, url: str) -> bool:
    """Return whether a webhook, as the API has it, leads to an address."""
    return (optional_text(hook, "url") or "").rstrip("/") == url
