"""View models of the page of a change."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, CountChips, Fact, Link, RunRow, Timestamp, Tone
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
class ChangeWorkspace:
    """What there is of a change in one workspace. `next_step` is the command that is next."""

    link: Link
    anchor: str
    badge: Badge | None
    counts: CountChips | None
    run: Link | None
    words: str
    why: str
    next_step: str
    checks: tuple[RequirementCheck, ...]
    approvals: tuple[ApprovalRow, ...]
    delta: Delta
    runs: tuple[RunRow, ...]
    more_runs: bool


@dataclass(frozen=True)
class CommitRow:
    """A commit of the change that has runs, with the state of each workspace at that commit."""

    commit: Link
    is_head: bool
    states: tuple[tuple[Link, Badge], ...]
    when: Timestamp


@dataclass(frozen=True)
class OrderNode:
    """A workspace in the drawing of the order: its place and size in pixels, and its state."""

    x: int
    y: int
    width: int
    height: int
    name: str
    short: str
    anchor: str
    label: str
    tone: Tone


@dataclass(frozen=True)
class OrderEdge:
    """A line from a workspace to one that depends on it, in pixels."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True)
class OrderGraph:
    """The order in which the workspaces are applied. `words` say it in a line; `more` do not fit."""

    width: int
    height: int
    nodes: tuple[OrderNode, ...]
    edges: tuple[OrderEdge, ...]
    words: str
    more: int


@dataclass(frozen=True)
class ChangePage:
    """A pull or merge request: every workspace that it touches."""

    chrome: Chrome
    number: str
    title: str
    url: str
    state: Badge
    words: str
    note: str
    facts: tuple[Fact, ...]
    action: str
    ask_forge_url: str
    asked: str
    workspaces: tuple[ChangeWorkspace, ...]
    commits: tuple[CommitRow, ...]
    kind: str
    order: OrderGraph | None = None
