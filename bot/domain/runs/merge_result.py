"""What a change's head becomes in its base: the commit that its plan is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

_SHORT = 7


@dataclass(frozen=True)
class MergeResult:
    """The merge of a change's head into a commit of its base branch.

    `commit` is the merge; empty if there are `conflicts`: paths of files, which are hostile text. An empty
    path stands for two commits without common history. `own` is a hash of the files that the change modifies
    in its base. `same_on` is a newer commit of the base on which the files that a plan can read are the same.
    `first` is the head of another change that is merged into the base before this one, for a forecast.
    """

    base_branch: str
    base: str
    commit: str
    own: str = ""
    conflicts: tuple[str, ...] = ()
    same_on: str = ""
    first: str = ""

    @property
    def conflicting(self) -> bool:
        """Whether the head can't be merged, so that there is nothing to plan."""
        return not self.commit

    def holds_on(self, base: str) -> bool:
        """Whether a plan of this merge is as good as one on that commit of the base."""
        return base in (self.base, self.same_on)

    def held_on(self, base: str) -> MergeResult:
        """Return the merge of a plan that is as good on a newer commit of the base."""
        return replace(self, same_on=base)

    @property
    def top(self) -> str:
        """What the plan is on top of: `main at 1a2b3c4`."""
        return f"{self.base_branch} at {self.base[:_SHORT]}"

    @property
    def why_conflicting(self) -> str:
        """Say why nothing is planned. Names no files: each reader escapes these in its own way."""
        if self.conflicts == ("",):
            return f"it has no history in common with {self.base_branch}, so nothing is planned"
        return f"it has conflicts with {self.base_branch}, so nothing is planned: merge or rebase"


@dataclass(frozen=True)
class MergedCommit:
    """A commit of a repository; or one that we made, with those that it merges, to make it again.

    `first` is the head that was merged into the base before `head`; empty for a merge of two.
    """

    commit: str
    head: str = ""
    base: str = ""
    first: str = ""


@dataclass(frozen=True)
class AsApplied:
    """The run of a change that applied the files which a commit of the branch has.

    `change` is how the forge writes the change: `#12`.
    """

    run_id: str
    change: str


def why_outdated(planned: MergeResult | None, newest: MergeResult | None) -> str:
    """Say why a plan is not of the change as it would be merged now. Empty if it is.

    `planned` is the merge that the plan was made of, `newest` the one that is known now.
    """
    if planned is None or newest is None or planned.holds_on(newest.base):
        return ""
    if newest.conflicting:
        return newest.why_conflicting
    if planned.base_branch != newest.base_branch:
        return f"it was planned on top of {planned.top}, and goes into {newest.base_branch} now"
    return f"{newest.base_branch} has moved to {newest.base[:_SHORT]} since it was planned: comment `/plan`"
