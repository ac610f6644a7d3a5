"""What the page of a change is given, typed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.pages import Badge, Chrome, CountChips, Fact, Link, Moment, RunRow
from bot.web.state_pages import DifferenceRow


@dataclass(frozen=True)
class CheckRow:
    """Something that an apply needs, whether it is there, and what is missing or what meets it."""

    badge: Badge
    name: str
    why: str


@dataclass(frozen=True)
class ApprovalRow:
    """An approval, and what became of it."""

    badge: Badge
    by: str
    commit: str
    when: Moment
    why: str


@dataclass(frozen=True)
class PlanChoice:
    """A plan that may be chosen to be compared."""

    id: str
    words: str
    when: Moment


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
    checks: tuple[CheckRow, ...]
    approvals: tuple[ApprovalRow, ...]
    delta: Delta
    runs: tuple[RunRow, ...]
    more_runs: bool


@dataclass(frozen=True)
class CommitRow:
    """A commit of the change that made runs, with where each workspace stands at it."""

    commit: Link
    is_head: bool
    states: tuple[tuple[Link, Badge], ...]
    when: Moment


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
