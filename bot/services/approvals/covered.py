"""Whether a run's plan may be applied under an approval: fetches what the domain's rule needs (promise 1)."""

from __future__ import annotations

from bot.domain.errors import EngineError
from bot.domain.plans.approved_plan import MadePlan, PlanMatch, match_plan
from bot.domain.plans.digest import DigestInputs
from bot.domain.plans.plan import load_plan_json
from bot.domain.runs.run import Run
from bot.services.plans.plan_inputs import saved_inputs
from bot.services.plans.snapshot import open_environment
from bot.services.ports import ArtifactKind, Transaction
from bot.services.runs.order import applied_before


def plan_match(tx: Transaction, digest: str, shown_run_id: str, run: Run) -> PlanMatch:
    """Say what a run's plan is to the approved one, which has the digest and which another run shows."""
    if run.digest == digest or not run.digest or not run.after:
        return match_plan(digest, None, MadePlan(run.digest), waited=False)
    shown = tx.runs.get(shown_run_id)
    if not applied_before(tx, run, since=shown.created_at):
        return PlanMatch.OTHER
    approved, now = made_plan(tx, shown), made_plan(tx, run)
    try:
        return match_plan(digest, approved, now, waited=True) if now is not None else PlanMatch.OTHER
    except (RecursionError, EngineError):
        # Nested too deeply, or with a lock file from before that is not read any more: it asks again.
        return PlanMatch.OTHER


def covers(tx: Transaction, digest: str, shown_run_id: str, run: Run) -> bool:
    """Whether a run's plan may be applied because a plan with this digest was approved."""
    return plan_match(tx, digest, shown_run_id, run) is not PlanMatch.OTHER


def made_plan(tx: Transaction, run: Run) -> MadePlan | None:
    """Return a run's plan with what it was made of, as for its digest. None if it is gone."""
    raw, inputs = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON), saved_inputs(tx, run.id)
    if not raw or inputs is None:
        return None
    lock = tx.artifacts.get(run.id, ArtifactKind.DEPENDENCY_LOCK) or b""
    around = DigestInputs(lock, inputs.files, run.modes.refresh_only, open_environment(tx, run.id))
    return MadePlan(run.digest, load_plan_json(raw), around)
