"""View models of the run's page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from bot.web.page.layout import Badge, Banner, Chrome, CountChips, Fact, Link, Timestamp
from bot.web.runs.policy_context import PolicyCard
from bot.web.runs.resource_context import Losses, Resources


@dataclass(frozen=True)
class DecisionButton:
    """A button that asks for confirmation: it says what will happen, and may take a comment.

    `comment` is the field's label, empty if there is no field. `once` is an idempotency key. `named` is the
    workspace's name if it must be typed.
    """

    verb: str
    label: str
    look: str
    url: str
    says: str
    comment: str
    required: bool
    once: str
    loud: tuple[str, ...] = ()
    named: str = ""


@dataclass(frozen=True)
class Segment:
    """A part of the chart of the time spent; `x` and `width` are thousandths of the whole."""

    part: str
    label: str
    took: str
    share: str
    x: int
    width: int


@dataclass(frozen=True)
class TimeSpent:
    """How a run spent its time: as a bar, and in words for each part."""

    whole: str
    bar: tuple[Segment, ...]
    parts: tuple[Segment, ...]


@dataclass(frozen=True)
class ProgressBar:
    """An apply's progress in percent and in `words`; `under_way` are the resources in progress."""

    percent: int
    words: str
    under_way: tuple[str, ...]


@dataclass(frozen=True)
class Output:
    """A stage's output, its last lines.

    `first` is the number of the first shown line. `cursor` is the page's position in the output.
    """

    lines: Markup
    first: int
    raw_url: str
    earlier_url: str
    search_url: str
    empty: str


@dataclass(frozen=True)
class FoundLine:
    """A line of an output that contains the text of a search."""

    number: int
    url: str
    text: Markup


@dataclass(frozen=True)
class OutputSearchPage:
    """The lines of a stage's output that contain a text. `words` say how many."""

    chrome: Chrome
    run: Link
    stage: str
    q: str
    action: str
    words: str
    lines: tuple[FoundLine, ...]


@dataclass(frozen=True)
class Stage:
    """The card of a plan or an apply. `began` and `ended` are None if it has not.

    `errors` are all of Terraform's, each whole. `summary` is the result in a line, `loud` its alarming parts.
    """

    name: str
    title: str
    badge: Badge
    took: str
    began: Timestamp | None
    ended: Timestamp | None
    usual: str
    open: bool
    output_open: bool
    output: Output
    errors: str = ""
    summary: str = ""
    loud: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanTextView:
    """The plan as text, its first lines; `more` are in the raw text. `at_apply` is what runs only then."""

    lines: Markup
    more: int
    raw_url: str
    at_apply: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TimelineRow:
    """A line of a run's timeline; a person's comment has its own lines. `took`: since the event before it."""

    badge: Badge
    actor: str
    message: str
    said: bool
    when: Timestamp
    took: str = ""


@dataclass(frozen=True)
class RunPage:
    """One run. `cursor` is what the page shows; `reloads`: it reloads itself without scripts.

    `timeline` has the events that matter, `every` all of them.
    """

    chrome: Chrome
    id: str
    message: str
    badge: Badge
    kind: str
    how: str
    when: Timestamp
    workspace: Link
    facts: tuple[Fact, ...]
    problem: str
    banners: tuple[Banner, ...]
    losses: Losses | None
    asks: tuple[DecisionButton, ...]
    counts: CountChips | None
    nothing_to_do: bool
    times: TimeSpent | None
    plan: Stage
    plan_text: PlanTextView | None
    resources: Resources | None
    policies: PolicyCard | None
    apply: Stage | None
    progress: ProgressBar | None
    timeline: tuple[TimelineRow, ...]
    every: tuple[TimelineRow, ...]
    comment_url: str
    form_token: str
    once: str
    final: bool
    reloads: bool
    cursor: str
    events_url: str
    news_url: str
