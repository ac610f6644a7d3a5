"""What policies are told of a run, besides its plan: who, what and how, and never a variable's value.

The names are those of HashiCorp's OPA input: https://developer.hashicorp.com/terraform/enterprise/policy-enforcement/define-policies/opa
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace


def run_document(run: Run, workspace: Workspace, variables: Sequence[Variable]) -> dict[str, Any]:
    """Return the input's `run`."""
    return {
        "id": run.id,
        # `+00:00` and not `Z`, which the evaluator's parser of times does not know.
        "created_at": run.created_at.isoformat(timespec="seconds"),
        "created_by": run.created_by,
        "message": run.message,
        "commit_sha": run.commit,
        "is_destroy": run.modes.destroy,
        "refresh_only": run.modes.refresh_only,
        "replace_addrs": list(run.modes.replace_addrs),
        "target_addrs": list(run.modes.target_addrs),
        "speculative": run.speculative,
        "workspace": {
            "id": workspace.id,
            "name": workspace.name,
            "auto_apply": workspace.auto_apply,
            "working_directory": workspace.working_directory,
            "tags": list(workspace.tags),
            "vcs_repo": {
                "identifier": workspace.repo.path,
                "display_identifier": workspace.repo.path,
                "branch": workspace.branch,
                "ingress_submodules": False,
            }
            if workspace.has_repo
            else None,
        },
        # Promise 6: which variables there are, and nothing of what is in them.
        "variables": {
            each.key: {"category": each.category.value, "sensitive": each.sensitive} for each in variables
        },
    }
