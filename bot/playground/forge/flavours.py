"""Which of the forges a repository is like: two that do the same, in other words and with other limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavour:
    """What a forge calls things, and how much it takes, in characters; `page` is part of an address."""

    name: str
    change: str
    sign: str
    page: str
    groups_in_groups: bool
    comment_limit: int
    description_limit: int


GITHUB = Flavour("github", "pull request", "#", "pull", False, 65_536, 140)
GITLAB = Flavour("gitlab", "merge request", "!", "-/merge_requests", True, 1_000_000, 255)
FLAVOURS = {flavour.name: flavour for flavour in (GITHUB, GITLAB)}
