"""The commit that a tag of a GitHub repository points at.

By the exact ref: in GitHub's other addresses, a name may mean a branch too.
Sources: https://docs.github.com/rest/git/refs and https://docs.github.com/rest/git/tags
"""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.errors import NotFound
from bot.forges.fields import optional_text, sha
from bot.forges.github.paths import segment

# An annotated tag may point at another one.
_DEEPEST = 5


def commit_of(tag: str, what: str, look: Callable[[str, str], object]) -> str:
    """Return the commit: one call, and one for each annotated tag. `look` gets a path and says what for.

    Raises NotFound if there is no such tag, or if it points at no commit. Raises Invalid.
    """
    found = look(f"/git/ref/tags/{segment(tag)}", what)
    for _ in range(_DEEPEST):
        kind, pointed_at = optional_text(found, "object.type"), sha(found, "object.sha")
        if kind == "commit":
            return pointed_at
        if kind != "tag":
            break
        found = look(f"/git/tags/{pointed_at}", what)
    raise NotFound(f"{what} points at no commit")
