"""What an apply of a change requires, as plangate.yml writes it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.config.file.entry import Entry


class RequiredApprovals(Entry):
    """How many people have to approve: `approved: 2`."""

    approved: int = Field(ge=1, le=10, description="How many people have to approve the latest commit")


Require = (
    Literal[
        "approved",
        "codeowners",
        "mergeable",
        "up_to_date",
        "policies_passed",
        "not_draft",
        "plan_code",
        "other_person",
    ]
    | RequiredApprovals
)
