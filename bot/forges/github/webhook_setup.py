"""Checks the setup of GitHub's webhooks, for `plangate doctor`: an App's, or those of repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.events import RepoRef
from bot.forges.diagnosis import unanswered
from bot.forges.fields import look, optional_number, optional_text, shown
from bot.forges.github.app_manifest import EVENTS, OPTIONAL
from bot.forges.github.paths import repo_path
from bot.services.ports import ForgeFault

# Returns GitHub's JSON for a path; the second argument names the request in words.
Ask = Callable[[str, str], object]


def of_app(ask: Ask, url: str) -> Iterator[ForgeFault]:
    """Yield faults of an App's webhook, whose address should be `url`: two calls."""
    advice = f"Write {url} into the App's settings as its webhook's address, and make it active"
    try:
        given = optional_text(ask("/app/hook/config", "the App's webhook"), "url")
    except NotFound:
        given = None
    if (given or "").rstrip("/") != url:
        yield ForgeFault(f"the App sends its webhooks {f'to {shown(given)}' if given else 'nowhere'}", advice)
        return
    deliveries = ask("/app/hook/deliveries?per_page=1", "the App's last webhook")
    for last in deliveries if isinstance(deliveries, list) else ():
        yield from unanswered(
            url, optional_number(last, "status_code") or 0, optional_text(last, "status") or ""
        )


def of_repo(ask: Ask, repo: RepoRef, url: str) -> Iterator[ForgeFault]:
    """Yield faults of a repository's webhook: one call. Nothing if we may not see it."""
    try:
        hooks = ask(f"{repo_path(repo)}/hooks?per_page=100", f"webhooks of {repo.path}")
    except (ForgeRefused, NotFound):
        return
    here = [hook for hook in hooks if leads(hook, url)] if isinstance(hooks, list) else []
    if not here:
        advice = f"Add one that leads to {url}, unless the organization has it"
        yield ForgeFault(f"{repo.path} has no webhook of its own that leads here", advice, sure=False)
    for hook in here[:1]:
        if look(hook, "active") is False:
            yield ForgeFault(f"the webhook of {repo.path} is not active", "Make it active")
            return
        events = look(hook, "events")
        told = set(events) if isinstance(events, list) else {"*"}
        missing = [name for name in EVENTS if name not in OPTIONAL and not {name, "*"} & told]
        if missing:
            yield ForgeFault(
                f"the webhook of {repo.path} does not send {', '.join(missing)}", "Add these events"
            )
        code = optional_number(hook, "last_response.code")
        if code is not None:
            yield from unanswered(url, code, optional_text(hook, "last_response.message") or "")


def leads(hook: object, url: str) -> bool:
    """Return whether a webhook, as the API has it, leads to an address."""
    return (optional_text(hook, "config.url") or "").rstrip("/") == url
