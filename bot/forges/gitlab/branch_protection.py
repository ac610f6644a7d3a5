"""Checks a project's branch protection on GitLab, for `plangate doctor`.

Only accounts that may push or merge to a protected branch may create pipelines, and so statuses, on it.
Sources: https://docs.gitlab.com/user/project/repository/branches/protected/, app/policies/ci/
"""

from __future__ import annotations

from bot.domain.events import RepoRef
from bot.domain.people.permissions import Role
from bot.forges.fields import flag, look, optional_text, text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project, segment
from bot.services.ports import ForgeFault


def lacking_on(api: Api, repo: RepoRef, branch: str, role: Role) -> tuple[str, ...]:
    """Return what we may not do on a branch (empty: the default one) that a run needs: one call or two.

    Raises Invalid for an answer that names no default branch.
    """
    name = branch or text(api.call("get", project(repo), repo.path).data, "default_branch")
    what = f"branch {name} of {repo.path}"
    found = api.call("get", f"{project(repo)}/repository/branches/{segment(name)}", what).data
    # GitLab tells only whether developers may merge; people with a higher role usually may.
    may = flag(found, "can_push") or flag(found, "developers_can_merge") or role > Role.WRITE
    if not flag(found, "protected") or may:
        return ()
    return (
        f"the right to push or merge to the protected branch {name}: without it GitLab refuses our statuses",
    )


def advice(api: Api, repo: RepoRef) -> tuple[ForgeFault, ...]:
    """Return faults that make webhooks or statuses ineffective: one call."""
    found = api.call("get", project(repo), repo.path).data
    called = (optional_text(found, "path_with_namespace") or repo.path).lower()
    if called != repo.path:
        moved = f"it is called {called} now, and its webhooks lead to no workspace"
        return (ForgeFault(moved, f"Write {called} into plangate.yml"),)
    said = []
    if look(found, "only_allow_merge_if_pipeline_succeeds") is False:
        said.append("'Pipelines must succeed' is off: changes can be merged before our statuses succeed")
    if flag(found, "allow_merge_on_skipped_pipeline"):
        said.append(
            "'Skipped pipelines are considered successful' is on: a skipped pipeline does not block a merge"
        )
    return tuple(
        ForgeFault(one, "See *Guard the merge* in docs/how-to/gitlab.md", sure=False) for one in said
    )
