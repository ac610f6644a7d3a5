"""How a project's webhooks and our token are set up on GitLab, for `plangate doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.events import RepoRef
from bot.forges.examining import Fault, ending
from bot.forges.fields import flag, look, moment, optional_text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project
from bot.forges.gitlab.trains import has_trains

_EVENTS = {
    "push_events": "push",
    "tag_push_events": "tag push",
    "note_events": "comments",
    "merge_requests_events": "merge request",
}
_FOR_TRAINS = {"pipeline_events": "pipeline"}
# GitLab switches a webhook off that fails, for a while or for good.
_OFF = ("temporarily_disabled", "disabled")


def token_faults(api: Api, now: datetime) -> Iterator[Fault]:
    """Yield what is wrong with the token as such: one call. Nothing where it is none that GitLab tells of.

    Source: https://docs.gitlab.com/api/personal_access_tokens/#self-inform, for project and group tokens too
    """
    try:
        found = api.call("get", "/personal_access_tokens/self", "our own token").data
    except (ForgeRefused, NotFound):
        return
    scopes = look(found, "scopes")
    if isinstance(scopes, list) and "api" not in scopes:
        yield Fault("our token is without the scope `api`, so that it sets no status", "Make one that has it")
    yield from ending(moment(found, "expires_at"), now)


def hook_faults(api: Api, repo: RepoRef, url: str) -> Iterator[Fault]:
    """Yield what is wrong with a project's webhook, which should lead to `url`: two calls.

    Nothing where we may not see it, for which GitLab wants a Maintainer.
    """
    try:
        pages = list(api.pages(f"{project(repo)}/hooks", f"webhooks of {repo.path}"))
    except (ForgeRefused, NotFound):
        return
    here = [hook for page in pages for hook in page if _leads(hook, url)]
    if not here:
        advice = f"Add one that leads to {url}, unless a group above has it"
        yield Fault(f"{repo.path} has no webhook of its own that leads here", advice, sure=False)
        return
    wanted = _EVENTS | (_FOR_TRAINS if has_trains(api.call("get", project(repo), repo.path).data) else {})
    missing = [said for event, said in wanted.items() if look(here[0], event) is False]
    if missing:
        yield Fault(f"the webhook of {repo.path} is without {', '.join(missing)}", "Add these events")
    if optional_text(here[0], "alert_status") in _OFF:
        found = f"GitLab has switched the webhook of {repo.path} off, because it failed"
        yield Fault(found, f"See whether it reaches {url} and has the secret set here, then test it there")
    if url.startswith("https://") and not flag(here[0], "enable_ssl_verification"):
        advice = "Switch SSL verification on"
        yield Fault(f"the webhook of {repo.path} goes to whoever answers", advice, sure=False)


def _leads(hook: object, url: str) -> bool:
    return (optional_text(hook, "url") or "").rstrip("/") == url
