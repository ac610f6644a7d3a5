"""Adds and removes labels of a pull request, which is an issue too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef
from bot.forges.github.api import Answer, Ask
from bot.forges.github.paths import repo_path, segment


def set_labels(
    send: Callable[[RepoRef, Ask], Answer],
    repo: RepoRef,
    number: int,
    add: Sequence[str],
    remove: Sequence[str],
) -> None:
    """Add what is missing in one call, and remove each in one. GitHub creates labels that are new to it."""
    path, what = f"{repo_path(repo)}/issues/{number}/labels", f"the labels of {repo.path}#{number}"
    if add:
        send(repo, Ask("POST", path, what, body={"labels": list(add)}))
    for label in remove:
        # Somebody may have removed it already.
        with suppress(NotFound):
            send(repo, Ask("DELETE", f"{path}/{segment(label)}", what))
