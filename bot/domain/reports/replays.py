"""Policy replay: a changed policy set judges stored plans, to show what it would stop or let pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum

from bot.domain.events import Change, ChangedFiles
from bot.domain.policies.policy import PolicyCheck, PolicyOutcome, verdict
from bot.domain.policies.sets import PolicySet
from bot.domain.reports.report import StatusState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run

FORK_WORDS = "From a fork: someone with write access may comment /plan"
MOST_KEPT = 100


class ReplayState(StrEnum):
    """The state of a replay."""

    UNTOUCHED = "untouched"
    HELD = "held"
    WANTED = "wanted"
    DONE = "done"
    FAILED = "failed"


class SetVerdict(IntEnum):
    """A set's verdict on a run. Higher is stricter."""

    PASSES = 0
    NEEDS_OVERRIDE = 1
    STOPS = 2

    @property
    def words(self) -> str:
        """The verdict in words."""
        return ("passes", "needs an override", "is stopped")[self]


@dataclass(frozen=True)
class PlanComparison:
    """The verdicts on one run's plan: of the set in force (`before`) and of the changed set (`after`).

    `newly` are the policies that only fail now, `no_longer` those that only failed before. Their messages
    are not stored: a changed rule could copy anything from a plan into them (promise 5).
    """

    run_id: str
    workspace: str
    before: SetVerdict
    after: SetVerdict
    newly: tuple[str, ...] = ()
    no_longer: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay.

    `plans` is how many were judged, `differing` how many of those have another verdict: the first of
    them are `compared`. `errored` counts the plans on which a policy could not be evaluated. `errors` say
    why, if it does not depend on the plan. `cut_short` says that the time limit came before the last plan.
    `in_force` is the commit of the set in force, empty if no set is in force.
    """

    plans: int = 0
    blocked: int = 0
    allowed: int = 0
    differing: int = 0
    errored: int = 0
    compared: tuple[PlanComparison, ...] = ()
    errors: tuple[str, ...] = ()
    cut_short: bool = False
    in_force: str = ""

    def plus(self, found: PlanComparison, *, errored: bool) -> ReplayResult:
        """Return the result with one more plan."""
        differs = found.before != found.after or bool(found.newly or found.no_longer)
        room = differs and len(self.compared) < MOST_KEPT
        return replace(
            self,
            plans=self.plans + 1,
            blocked=self.blocked + (found.after > found.before),
            allowed=self.allowed + (found.after < found.before),
            differing=self.differing + differs,
            errored=self.errored + errored,
            compared=(*self.compared, found) if room else self.compared,
        )


@dataclass(frozen=True)
class Replay:
    """A replay of a set at a change's commit. `why` is an error, or the reason why it waits."""

    id: str
    change_id: str
    set_name: str
    commit: str
    state: ReplayState
    asked_at: datetime
    attempts: int = 0
    not_before: datetime | None = None
    why: str = ""
    result: ReplayResult | None = None


@dataclass(frozen=True)
class ReplayReport:
    """The content of the comment on replays. `runs_url` is followed by a run's id."""

    sha: str
    replays: tuple[Replay, ...]
    runs_url: str


def changed_sets(change: Change, sets: Sequence[PolicySet], files: ChangedFiles) -> dict[str, bool]:
    """Return the sets that are fetched from the change's base branch, and whether the change touches each."""
    found = {}
    for each in sets:
        origin = each.origin
        branch = origin.branch or change.default_branch
        if origin.repo != change.repo or change.base_branch != branch:
            continue
        folder = origin.folder.strip("/")
        prefix = "" if folder in ("", ".") else f"{folder}/"
        found[each.name] = not files.complete or any(path.startswith(prefix) for path in files.paths)
    return found


def compare(
    run: Run, workspace: str, before: Sequence[PolicyCheck], after: Sequence[PolicyCheck]
) -> PlanComparison:
    """Compare the changed set's checks of a run's plan with those of the set in force. Ignores overrides."""
    failed_before = {check.policy for check in before if not check.passed}
    failed_after = {check.policy for check in after if not check.passed}
    return PlanComparison(
        run.id,
        workspace,
        _standing(run, before),
        _standing(run, after),
        tuple(sorted(failed_after - failed_before)),
        tuple(sorted(failed_before - failed_after)),
    )


def any_errored(checks: Sequence[PolicyCheck]) -> bool:
    """Whether some policy could not be evaluated."""
    return any(check.outcome is PolicyOutcome.ERRORED for check in checks)


def replay_headline(replay: Replay) -> tuple[StatusState, str]:
    """Return the state of a replay for a commit status."""
    match replay.state:
        case ReplayState.UNTOUCHED:
            return StatusState.SUCCESS, "Not touched by this change"
        case ReplayState.HELD:
            return StatusState.PENDING, FORK_WORDS
        case ReplayState.WANTED:
            why = f"Waits: {replay.why}" if replay.why else "Judging the plans of the last runs"
            return StatusState.PENDING, why
        case ReplayState.FAILED:
            return StatusState.FAILURE, replay.why[:1].upper() + replay.why[1:]
        case ReplayState.DONE:
            result = replay.result or ReplayResult()
            broken = StatusState.FAILURE if result.errors else StatusState.SUCCESS
            return broken, result_words(result)


def result_words(result: ReplayResult) -> str:
    """Return the result of a replay: `50 plans: 2 newly blocked, 1 newly allowed`."""
    if not result.plans:
        return "No policy can be evaluated" if result.errors else "No plan is kept that it would judge"
    plans = f"{result.plans} plan{'s' if result.plans != 1 else ''}"
    parts = [f"{result.blocked} newly blocked", f"{result.allowed} newly allowed"]
    if result.errored:
        parts.append(f"{result.errored} with errors")
    if result.cut_short:
        parts.append("then time was up")
    return f"{plans}: {', '.join(parts)}"


def _standing(run: Run, checks: Sequence[PolicyCheck]) -> SetVerdict:
    bare = [replace(check, override=None) for check in checks]
    match verdict(bare, plan_only=run.plan_only, has_changes=bool(run.has_changes)):
        case RunStatus.ERRORED:
            return SetVerdict.STOPS
        case RunStatus.POLICY_OVERRIDE | RunStatus.POLICY_SOFT_FAILED:
            return SetVerdict.NEEDS_OVERRIDE
        case _:
            return SetVerdict.PASSES
