"""View models of the picture of the estate."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, Graph, Link, Tone


@dataclass(frozen=True)
class Share:
    """A part of all workspaces: those whose state has one colour. Place and width are of 1,000."""

    tone: Tone
    words: Link
    count: int
    x: int
    width: int


@dataclass(frozen=True)
class DayBar:
    """The runs of one day, as a column: heights are pixels from the bottom, `words` say it all."""

    x: int
    url: str
    words: str
    applied: int
    errored: int
    other: int


@dataclass(frozen=True)
class RecentRuns:
    """The runs of the last weeks, by day. `words` sum them up, `most` is the busiest day's number."""

    bars: tuple[DayBar, ...]
    words: str
    most: int
    first: str
    last: str


@dataclass(frozen=True)
class Lengths:
    """How long some plans or applies took, in words. `half` and `whole` are the bars, of 100."""

    count: str
    median: str
    most: str
    half: int
    whole: int


@dataclass(frozen=True)
class LengthRow:
    """The lengths of a week, or of a workspace."""

    name: Link
    plans: Lengths | None
    applies: Lengths | None


@dataclass(frozen=True)
class Connected:
    """A workspace of a group in words: its state, and what connects it."""

    name: Link
    badge: Badge
    words: tuple[str, ...]


@dataclass(frozen=True)
class GroupCard:
    """Workspaces that are connected with each other, as a drawing and in words; `title` names the first."""

    title: str
    repos: str
    graph: Graph
    members: tuple[Connected, ...]


@dataclass(frozen=True)
class EstatePage:
    """All workspaces that the person may see.

    `rest` says what is not drawn, `timed` of how many runs the lengths are.
    """

    chrome: Chrome
    total: int
    shares: tuple[Share, ...]
    recent: RecentRuns
    weeks: tuple[LengthRow, ...]
    slowest: tuple[LengthRow, ...]
    timed: str
    groups: tuple[GroupCard, ...]
    rest: tuple[str, ...]
    q: str
    clear_url: str
