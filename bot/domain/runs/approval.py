"""Approvals of plans, and their results (promise 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.people.permissions import Role


class ApprovalState(StrEnum):
    """The state of an approval."""

    STANDING = "standing"
    """A run is in progress that applies if its plan is the approved one."""
    KEPT = "kept"
    """Waits for the plan of a newer commit, or of the branch after the merge."""
    USED = "used"
    FALLEN = "fallen"


@dataclass(frozen=True)
class ApprovalRecord:
    """An approval of a plan. `digest` is the digest of the plan that `shown_run_id` shows.

    `run_id` is the run that applies the plan. `policy_versions` are the versions of the policy sets
    that judged the shown plan. `why` says what ended the approval.

    Besides the digest, hashes of what the plan was made of: `configuration` of the modules in the saved plan,
    `files` of all that the configuration can read, `providers` of what the lock file says. They are empty
    where they are not known, as for an approval from before they were kept.

    `forge` and `uid` are the forge of the account that approved and its number there. The forge is empty for
    the local administrator and the command line, and None if it is unknown.
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
    configuration: str = ""
    files: str = ""
    providers: str = ""
    state: ApprovalState = ApprovalState.STANDING
    run_id: str = ""
    why: str = ""
    ended_at: datetime | None = None
    forge: str | None = None
    uid: str = ""

    @property
    def open(self) -> bool:
        """Whether a run may still apply because of it."""
        return self.state in (ApprovalState.STANDING, ApprovalState.KEPT)
