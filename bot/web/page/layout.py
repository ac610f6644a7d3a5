"""What each page is given, typed: a template sees one of these and computes nothing itself."""

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
class Moment:
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
class Pager:
    """The ways to the newer and the older part of a long list; empty where there is none.

    `where` says which part this is, where that is known.
    """

    newer_url: str
    older_url: str
    where: str = ""


@dataclass(frozen=True)
class Tab:
    """One of the pages of a workspace."""

    label: str
    url: str
    here: bool


@dataclass(frozen=True)
class MessagePage:
    """A page that only says something: an error, a refusal. Shown to strangers too."""

    title: str
    text: str
    status: int
    reference: str = ""


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
    when: Moment
    counts: CountChips | None
    waits: str = ""
    change: Link = Link("")


@dataclass(frozen=True)
class CountChips:
    """How much a plan adds, changes and destroys."""

    add: int
    change: int
    destroy: int
    imports: int


@dataclass(frozen=True)
class Filter:
    """One way to narrow a list; `count` is None where nobody counts."""

    label: str
    url: str
    count: int | None
    chosen: bool


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for."""

    name: str
    value: Link


@dataclass(frozen=True)
class Button:
    """Something that this person may do now. One that `says` what it will do asks before it does it."""

    label: str
    url: str
    look: str
    says: str = ""


@dataclass(frozen=True)
class Banner:
    """What the run's page says first: the decision awaited, why it waits, or what went wrong."""

    tone: Tone
    title: str
    text: str


@dataclass(frozen=True)
class DecisionRow:
    """What was made of a delivery in one place: words, and a run where one came of it."""

    what: Link
    why: str


@dataclass(frozen=True)
class DeliveryRow:
    """One webhook call."""

    id: str
    forge: str
    event: str
    repo: str
    badge: Badge
    when: Moment
    decisions: tuple[DecisionRow, ...]
    error: str
    replay_url: str = ""


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries are asked for."""

    event: str
    repo: str
    outcome: str
    q: str


@dataclass(frozen=True)
class DeliveriesPage:
    """Webhook calls, newest first. `filtered` says that not all are asked for."""

    chrome: Chrome
    rows: tuple[DeliveryRow, ...]
    pager: Pager
    filters: tuple[Filter, ...]
    filter: DeliveryFilter
    filtered: bool
