"""What guards a project's branches on GitLab, as far as it concerns us: for `plangate doctor`.

A pipeline on a protected branch, and so a status, is only for whoever may push or merge to that branch.
Sources: https://docs.gitlab.com/user/project/repository/branches/protected/, app/policies/ci/
"""

from __future__ import annotations

from bot.domain.events import RepoRef
from bot.domain.permissions import Role
from bot.forges.examining import Fault
from bot.forges.fields import flag, look, optional_text, text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project, segment


def lacking_on(api: Api, repo: RepoRef, branch: str, role: Role) -> tuple[str, ...]:
    """Return what we may not do on a branch (empty: the default one) that a run needs: one call or two.

    Raises Invalid for an answer that names no default branch.
    """
    name = branch or text(api.call("get", project(repo), repo.path).data, "default_branch")
    what = f"branch {name} of {repo.path}"
    found = api.call("get", f"{project(repo)}/repository/branches/{segment(name)}", what).data
    # Who merges there is told of developers alone; whoever has more than their role usually may.
    may = flag(found, "can_push") or flag(found, "developers_can_merge") or role > Role.WRITE
    if not flag(found, "protected") or may:
        return ()
    return (
        f"leave to push or merge to the protected branch {name}, without which it takes no status of ours",
    )


def advice(api: Api, repo: RepoRef) -> tuple[Fault, ...]:
    """Return what keeps webhooks or statuses from meaning what they should: one call."""
    found = api.call("get", project(repo), repo.path).data
    called = (optional_text(found, "path_with_namespace") or repo.path).lower()
    if called != repo.path:
        moved = f"it is called {called} by now, and no webhook of it leads to a workspace"
        return (Fault(moved, f"Write {called} into plangate.yml"),)
    said = []
    if look(found, "only_allow_merge_if_pipeline_succeeds") is False:
        said.append("'Pipelines must succeed' is off, so that our statuses keep nobody from merging")
    if flag(found, "allow_merge_on_skipped_pipeline"):
        said.append("'Skipped pipelines are considered successful' is on, so that skipped ones guard nothing")
    return tuple(Fault(one, "See *Guard the merge* in the README, On GitLab", sure=False) for one in said)
