"""What the run's page is given, typed; nothing of it is computed in a template."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from bot.web.pages import Badge, Banner, Chrome, CountChips, Fact, Link, Moment
from bot.web.policy_pages import PolicyCard
from bot.web.resource_context import Resources


@dataclass(frozen=True)
class Ask:
    """A button that asks once before it acts: what will happen, with a comment if one is taken.

    `comment` labels the field, empty where none is taken. `once` makes pressing it twice the same as once.
    """

    verb: str
    label: str
    look: str
    url: str
    says: str
    comment: str
    required: bool
    once: str


@dataclass(frozen=True)
class Segment:
    """A part of the picture of where the time went; `x` and `width` are thousandths of the whole."""

    part: str
    label: str
    took: str
    share: str
    x: int
    width: int


@dataclass(frozen=True)
class Times:
    """Where a run's time went: as a bar, and for each part in words."""

    whole: str
    bar: tuple[Segment, ...]
    parts: tuple[Segment, ...]


@dataclass(frozen=True)
class ProgressBar:
    """How far an apply is. `words` say it; `under_way` is what is being worked on."""

    percent: int
    words: str
    under_way: tuple[str, ...]


@dataclass(frozen=True)
class Output:
    """A stage's output, its last lines.

    `first` is the number of the first line that is shown. `cursor` says what of it a page has.
    """

    lines: Markup
    first: int
    raw_url: str
    earlier_url: str
    empty: str


@dataclass(frozen=True)
class Stage:
    """The card of a plan or an apply. `began` and `ended` are None where it has not."""

    name: str
    title: str
    badge: Badge
    took: str
    began: Moment | None
    ended: Moment | None
    usual: str
    open: bool
    output_open: bool
    output: Output


@dataclass(frozen=True)
class TimelineRow:
    """A line of a run's timeline; what a person said has lines of its own."""

    badge: Badge
    actor: str
    message: str
    said: bool
    when: Moment


@dataclass(frozen=True)
class RunPage:
    """One run. `cursor` says what the page has; `reloads` that it does so by itself without scripts."""

    chrome: Chrome
    id: str
    message: str
    badge: Badge
    kind: str
    how: str
    when: Moment
    workspace: Link
    facts: tuple[Fact, ...]
    problem: str
    banners: tuple[Banner, ...]
    asks: tuple[Ask, ...]
    counts: CountChips | None
    nothing_to_do: bool
    times: Times | None
    plan: Stage
    resources: Resources | None
    policies: PolicyCard | None
    apply: Stage | None
    progress: ProgressBar | None
    timeline: tuple[TimelineRow, ...]
    comment_url: str
    form_token: str
    once: str
    final: bool
    reloads: bool
    cursor: str
    events_url: str
    news_url: str
