"""What the policies' results of a run look like to clients: one policy check, as of HashiCorp's Sentinel.

Source: https://developer.hashicorp.com/terraform/cloud-docs/api-docs/policy-checks
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome, failing, tally
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.web.api.documents import ApiLink, ApiResource, Related, moment

_PREFIX = "polchk-"
_SIGNS = {PolicyOutcome.PASSED: "PASS", PolicyOutcome.FAILED: "FAIL", PolicyOutcome.ERRORED: "ERROR"}


def policy_check_id(run_id: str) -> str:
    """Return the id of a run's policy check."""
    return _PREFIX + run_id.removeprefix("run-")


def run_of_policy_check(check_id: str) -> str:
    """Return the id of the run that a policy check is of, empty if the id has another prefix."""
    return "run-" + check_id.removeprefix(_PREFIX) if check_id.startswith(_PREFIX) else ""


def was_judged(timeline: Sequence[RunEvent]) -> bool:
    """Whether policies judge or have judged a run."""
    return any(event.kind == RunStatus.POLICY_CHECKING.value for event in timeline)


def policy_check_resource(
    run: Run, timeline: Sequence[RunEvent], checks: Sequence[PolicyCheck]
) -> ApiResource:
    """Return the policy check of a run. Tokens are never told that they may override."""
    status = _status(run, timeline, checks)
    at = f"/api/v2/policy-checks/{policy_check_id(run.id)}"
    times = {event.kind: event.at for event in timeline}
    begun = times.get(RunStatus.POLICY_CHECKING.value)
    return ApiResource(
        "policy-checks",
        policy_check_id(run.id),
        {
            "status": status,
            "scope": "organization",
            "result": _result(checks),
            "actions": {"is-overridable": run.status is RunStatus.POLICY_OVERRIDE},
            # `apply -auto-approve` would override by itself: a person does that, on the page of the run.
            "permissions": {"can-override": False},
            "status-timestamps": {"queued-at": moment(begun)} if begun else {},
        },
        {"run": ApiLink("runs", run.id), "workspace": Related(f"/api/v2/workspaces/{run.workspace_id}")},
        {"self": at, "output": f"{at}/output"},
    )


def policy_check_text(run: Run, checks: Sequence[PolicyCheck], page: str) -> str:
    """Return the results as people read them in a terminal, with the address of the run's page."""
    if not checks:
        return f"{_plain(run.error) or 'No policy has judged this run yet.'}\n"
    lines = [tally(checks), ""]
    for check in sorted(checks, key=lambda each: each.passed):
        lines.append(f"{_SIGNS[check.outcome]} {_plain(check.name)} ({check.level.value})")
        if check.description:
            lines.append(f"  {_plain(check.description)}")
        lines += [f"  {_plain(message)}" for message in check.messages]
        if check.total > len(check.messages):
            lines.append(f"  and {check.total - len(check.messages)} more messages")
        if check.override is not None:
            lines.append(f"  overridden by {_plain(check.override.by)}: {_plain(check.override.reason)}")
    if run.status is RunStatus.POLICY_OVERRIDE:
        lines += ["", f"An owner can override the failures on the page of the run: {page}"]
    return "\n".join([*lines, ""])


def _status(run: Run, timeline: Sequence[RunEvent], checks: Sequence[PolicyCheck]) -> str:
    if run.status is RunStatus.POLICY_CHECKING:
        return "queued"
    if not checks:
        return "canceled" if run.status is RunStatus.CANCELED else "errored"
    if failing(checks, EnforcementLevel.HARD):
        return "hard_failed"
    # A plan without changes goes on, whatever a soft-mandatory policy says of it.
    if not any(event.kind == RunStatus.POLICY_CHECKED.value for event in timeline):
        return "soft_failed"
    return "overridden" if any(check.override is not None for check in checks) else "passed"


def _result(checks: Sequence[PolicyCheck]) -> dict[str, object]:
    failed = {level: len(failing(checks, level)) for level in EnforcementLevel}
    mandatory = failed[EnforcementLevel.HARD] + failed[EnforcementLevel.SOFT]
    return {
        "result": mandatory == 0,
        "passed": sum(check.passed for check in checks),
        "total-failed": sum(failed.values()),
        "hard-failed": failed[EnforcementLevel.HARD],
        "soft-failed": failed[EnforcementLevel.SOFT],
        "advisory-failed": failed[EnforcementLevel.ADVISORY],
        "duration": int(sum(check.seconds for check in checks) * 1000),
    }


def _plain(text: str) -> str:
    """Return one line without characters that a terminal would obey."""
    return "".join(each if each.isprintable() else " " for each in text)
