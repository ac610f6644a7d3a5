"""View models of the page of a change."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, CountChips, Fact, Graph, Link, RunRow, Timestamp
from bot.web.states.context import DifferenceRow


@dataclass(frozen=True)
class RequirementCheck:
    """A requirement of an apply: whether it is met, and why."""

    badge: Badge
    name: str
    why: str


@dataclass(frozen=True)
class ApprovalRow:
    """An approval and its current state."""

    badge: Badge
    by: str
    commit: str
    when: Timestamp
    why: str


@dataclass(frozen=True)
class PlanChoice:
    """A plan that may be chosen to be compared."""

    id: str
    words: str
    when: Timestamp


@dataclass(frozen=True)
class Delta:
    """What one plan of a workspace does that another does not; `rows` is None until two are chosen."""

    choices: tuple[PlanChoice, ...]
    before: str
    now: str
    rows: tuple[DifferenceRow, ...] | None
    problem: str


@dataclass(frozen=True)
class ApplyButton:
    """The button that applies the plan on the page. `code` names the plan, empty for a waiting run.

    If the plan `destroys` everything, the workspace's name must be typed.
    """

    id: str
    label: str
    url: str
    says: str
    loud: tuple[str, ...]
    workspace: str
    code: str
    destroys: bool = False


@dataclass(frozen=True)
class Needs:
    """What an apply needs in one workspace.

    `next_step` is the command that is next; empty if it would be refused, and `why_not` says why. `who` must
    comment it, empty if the person may. `waits`: the forge is still to be asked.
    """

    next_step: str
    who: str
    why_not: str
    button: ApplyButton | None
    checks: tuple[RequirementCheck, ...]
    waits: bool
    problem: str


@dataclass(frozen=True)
class EffectRow:
    """A resource that the change touches."""

    kind: str
    deed: str
    symbol: str
    address: str
    note: str


@dataclass(frozen=True)
class Effects:
    """The resources that a change touches in one workspace, destroys first. `folded` come after `rows`."""

    rows: tuple[EffectRow, ...]
    folded: tuple[EffectRow, ...]
    rest: Link


@dataclass(frozen=True)
class ChangeWorkspace:
    """What there is of a change in one workspace. `next_step` is the command that is next.

    `forecast` says what it does together with other open changes.
    """

    link: Link
    anchor: str
    badge: Badge | None
    counts: CountChips | None
    run: Link | None
    words: str
    why: str
    next_step: str
    approvals: tuple[ApprovalRow, ...]
    delta: Delta
    runs: tuple[RunRow, ...]
    more_runs: bool
    needs: Needs | None = None
    effects: Effects | None = None
    forecast: str = ""


@dataclass(frozen=True)
class CommitRow:
    """A commit of the change that has runs, with the state of each workspace at that commit."""

    commit: Link
    is_head: bool
    states: tuple[tuple[Link, Badge], ...]
    when: Timestamp


@dataclass(frozen=True)
class ChangePage:
    """A pull or merge request: every workspace that it touches.

    `needs_url` leads to the needs of its applies as the forge knows them. Empty if it need not be asked.
    """

    chrome: Chrome
    number: str
    title: str
    url: str
    state: Badge
    words: str
    note: str
    facts: tuple[Fact, ...]
    action: str
    needs_url: str
    problem: str
    workspaces: tuple[ChangeWorkspace, ...]
    commits: tuple[CommitRow, ...]
    kind: str
    order: Graph | None = None
