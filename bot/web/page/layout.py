"""View models of the pages. A template gets one of them and computes nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """The colour of a badge."""

    WAIT = "wait"
    WORK = "work"
    ASK = "ask"
    GOOD = "good"
    BAD = "bad"
    OFF = "off"


@dataclass(frozen=True)
class Badge:
    """A state, in words and colour."""

    label: str
    tone: Tone


@dataclass(frozen=True)
class Timestamp:
    """A time: for machines, to the second for people, and in words ("3 min ago")."""

    iso: str
    exact: str
    words: str


@dataclass(frozen=True)
class Link:
    """Words that lead somewhere; without an address they are only words."""

    words: str
    url: str = ""


@dataclass(frozen=True)
class Chrome:
    """What frames every page: title, who is signed in, place in the menu, whether it renews itself.

    `form_token` is what every form on the page carries.
    """

    title: str
    login: str
    here: str
    live: bool = False
    form_token: str = ""


@dataclass(frozen=True)
class PageLink:
    """A page of a long list. Without a number it is a gap."""

    label: str
    url: str = ""
    here: bool = False


@dataclass(frozen=True)
class Pager:
    """Links to the newer and the older part of a long list; empty if there is none.

    `where` says which part this is, if that is known. `pages` are the numbered pages, if they are counted.
    """

    newer_url: str
    older_url: str
    where: str = ""
    pages: tuple[PageLink, ...] = ()


@dataclass(frozen=True)
class Tab:
    """One of the pages of a workspace."""

    label: str
    url: str
    here: bool


@dataclass(frozen=True)
class MessagePage:
    """A page with only a message: an error or a refusal. Shown without sign-in too, then without `chrome`."""

    title: str
    text: str
    status: int
    reference: str = ""
    chrome: Chrome | None = None


@dataclass(frozen=True)
class SignInPage:
    """The ways in: forges, and the local administrator's password. `next` is the path that they came from."""

    next: str
    problem: str
    ways: tuple[Link, ...]
    local: bool


@dataclass(frozen=True)
class RunRow:
    """One line of a list of runs."""

    id: str
    url: str
    message: str
    badge: Badge
    preview: bool
    how: str
    commit: str
    when: Timestamp
    counts: CountChips | None
    waits: str = ""
    change: Link = Link("")
    workspace: Link = Link("")


@dataclass(frozen=True)
class CountChips:
    """How much a plan adds, changes and destroys."""

    add: int
    change: int
    destroy: int
    imports: int


@dataclass(frozen=True)
class Filter:
    """A filter of a list; `count` is None if it is not counted."""

    label: str
    url: str
    count: int | None
    chosen: bool


@dataclass(frozen=True)
class GraphNode:
    """A workspace in a drawing: its place and size in pixels, and its state."""

    x: int
    y: int
    width: int
    height: int
    name: str
    short: str
    url: str
    label: str
    tone: Tone


@dataclass(frozen=True)
class GraphEdge:
    """A line from a workspace to one that follows from it, in pixels. `kind` says why.

    `lane` is the height at which it passes the columns between the two; 0 if there are none.
    """

    x1: int
    y1: int
    x2: int
    y2: int
    kind: str
    lane: int = 0


@dataclass(frozen=True)
class Graph:
    """Workspaces and what connects them. `words` say it in a line; `more` do not fit."""

    width: int
    height: int
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    words: str
    more: int


@dataclass(frozen=True)
class Fact:
    """A name and its value."""

    name: str
    value: Link


@dataclass(frozen=True)
class Button:
    """An action that this person may take now. If `says` is set, the button asks for confirmation first."""

    label: str
    url: str
    look: str
    says: str = ""


@dataclass(frozen=True)
class Banner:
    """The banner of the run's page: the decision to take, why it waits, or what went wrong.

    `loud` are the parts of the text that must not be missed: what is destroyed.
    """

    tone: Tone
    title: str
    text: str
    loud: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecisionRow:
    """What was decided for a delivery in one workspace: words, and the run if it created one."""

    what: Link
    why: str


@dataclass(frozen=True)
class DeliveryRow:
    """One webhook call, or one that did not come. `origin` says where it is from."""

    id: str
    origin: str
    event: str
    repo: str
    badge: Badge
    when: Timestamp
    decisions: tuple[DecisionRow, ...]
    error: str
    redeliver_url: str = ""


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries are asked for."""

    event: str
    repo: str
    outcome: str
    q: str


@dataclass(frozen=True)
class DeliveriesPage:
    """Webhook calls, newest first. `filtered`: a filter is active.

    `noise` leads to the list with or without our own comments and edits. `asked_again` says how many failed
    ones the forges were asked for, empty if none. `trouble` is why a list of failed deliveries could not be
    read.
    """

    chrome: Chrome
    rows: tuple[DeliveryRow, ...]
    pager: Pager
    filters: tuple[Filter, ...]
    filter: DeliveryFilter
    filtered: bool
    noise: Link = Link("")
    asked_again: str = ""
    trouble: tuple[str, ...] = ()
