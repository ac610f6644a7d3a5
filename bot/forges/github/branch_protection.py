"""Checks a repository's branch protection on GitHub, for `plangate doctor`."""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef
from bot.forges.fields import look, optional_text, text
from bot.forges.github.paths import repo_path, segment
from bot.services.ports import ForgeFault

# Returns GitHub's JSON for a path; the second argument names the request in words.
Ask = Callable[[str, str], object]
# The status that summarises all statuses of a commit.
_STATUS = "plangate"


def has_queue(ask: Ask, repo: RepoRef, branch: str) -> bool:
    """Return whether a ruleset gives a branch a merge queue: one call, two for the default branch."""
    return any(optional_text(rule, "type") == "merge_queue" for rule in _rules(ask, repo, branch))


def advice(ask: Ask, repo: RepoRef, branch: str) -> tuple[ForgeFault, ...]:
    """Return faults that make webhooks or statuses ineffective: three calls."""
    about = ask(repo_path(repo), repo.path)
    called = (optional_text(about, "full_name") or repo.path).lower()
    if called != repo.path:
        return (
            ForgeFault(
                f"it is called {called} now, and its webhooks lead to no workspace",
                f"Write {called} into plangate.yml",
            ),
        )
    name = branch or text(about, "default_branch")
    what = f"branch {name} of {repo.path}"
    try:
        found = ask(f"{repo_path(repo)}/branches/{segment(name)}", what)
    except NotFound:
        return (ForgeFault(f"it has no branch {name}", "Create it, or correct plangate.yml", sure=False),)
    contexts = look(found, "protection.required_status_checks.contexts")
    required = set(contexts) if isinstance(contexts, list) else set()
    for rule in _rules(ask, repo, name):
        checks = look(rule, "parameters.required_status_checks")
        for check in checks if isinstance(checks, list) else ():
            required.add(optional_text(check, "context") or "")
    if _STATUS in required:
        return ()
    said = f"{name} does not require the status `{_STATUS}`: changes can be merged before it succeeds"
    return (ForgeFault(said, "Require it in the branch's rules", sure=False),)


def _rules(ask: Ask, repo: RepoRef, branch: str) -> list[object]:
    name = branch or text(ask(repo_path(repo), repo.path), "default_branch")
    path = f"{repo_path(repo)}/rules/branches/{segment(name)}?per_page=100"
    try:
        found = ask(path, f"rules of {name} of {repo.path}")
    except NotFound:
        # A server from before there were rulesets.
        return []
    return found if isinstance(found, list) else []
