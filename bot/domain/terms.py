"""What a forge calls a change: pages and messages speak as the forge does (promise 7)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ForgeWords:
    """The name of a change in a sentence, and the sign before its number.

    `alerts`: its Markdown has alerts (`> [!WARNING]`). GitLab has them from 17.10 on. Older versions print
    the mark as text, so a bold word takes their place there.
    """

    change: str
    sign: str
    alerts: bool = False

    def numbered(self, number: int) -> str:
        """Name a change as people do: `#7` or `!7`."""
        return f"{self.sign}{number}"

    @property
    def title(self) -> str:
        """The name of a change at the beginning of a line."""
        return self.change.capitalize()


PULL_REQUESTS = ForgeWords("pull request", "#", alerts=True)
MERGE_REQUESTS = ForgeWords("merge request", "!")
