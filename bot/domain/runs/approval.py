"""What a person approved, and what became of it (promise 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.permissions import Role


class ApprovalState(StrEnum):
    """Where an approval stands."""

    STANDING = "standing"
    """A run is on its way that goes on by itself if its plan is the approved one."""
    KEPT = "kept"
    """It waits for the plan of a newer commit, or of the branch once the change is merged."""
    USED = "used"
    FALLEN = "fallen"


@dataclass(frozen=True)
class ApprovalRecord:
    """Who approved which plan: `digest` is that of the plan which `shown_run_id` shows.

    `run_id` is the run that is to apply it, or has. `policy_versions` are the versions of the policy sets
    that had judged what was shown. `why` says what ended it.
    """

    id: str
    workspace_id: str
    change_number: int | None
    commit: str
    digest: str
    shown_run_id: str
    by: str
    role: Role
    at: datetime
    policy_versions: tuple[str, ...] = ()
    state: ApprovalState = ApprovalState.STANDING
    run_id: str = ""
    why: str = ""
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether a plan may still go on because of it."""
        return self.state in (ApprovalState.STANDING, ApprovalState.KEPT)
