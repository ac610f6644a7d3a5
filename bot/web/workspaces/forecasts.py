"""The page of a workspace's forecasts: what its open changes do to each other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.domain.plans.forecast import Forecast
from bot.domain.workspaces.workspace import Workspace
from bot.services.forecasts.notes import current_forecasts
from bot.services.ports import ForecastRecord, Transaction
from bot.web.page import elements
from bot.web.page.layout import Badge, Chrome, Link, Tab, Tone
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services


@dataclass(frozen=True)
class ForecastRow:
    """Two changes, and what they do together. `run` has planned both."""

    badge: Badge
    first: Link
    second: Link
    words: str
    run: Link | None


@dataclass(frozen=True)
class ForecastsOff:
    """Why a workspace has no forecasts: a setting as typed, the rest of the sentence, and what to set."""

    setting: str
    why: str
    instead: str


@dataclass(frozen=True)
class ForecastsPage:
    """The forecasts of a workspace. `off` says why none are made. `change` is what its forge calls one."""

    chrome: Chrome
    name: str
    tabs: tuple[Tab, ...]
    rows: tuple[ForecastRow, ...]
    off: ForecastsOff | None
    change: str


def build(name: str) -> ForecastsPage:
    """Build the page. Raises NotFound."""
    person = access.person_asking()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        found = tx.forecasts.of_workspace(workspace.id)
        current = {each.key for each in current_forecasts(tx, workspace.repo, found)}
        rows = tuple(_row(tx, workspace, each, current) for each in found)
    live = any(record.result is None for record in found)
    return ForecastsPage(
        chrome=elements.chrome(f"Forecasts · {name}", person, "workspaces", live),
        name=harmless(name),
        tabs=elements.tabs(name, "forecasts"),
        rows=rows,
        off=_off(workspace),
        change=elements.words_of(workspace.repo).change,
    )


def _row(
    tx: Transaction, workspace: Workspace, record: ForecastRecord, current: Collection[tuple[str, int, int]]
) -> ForecastRow:
    outdated = record.key not in current
    if record.result is None:
        said = "Both are planned together now."
    else:
        said = record.result.words(elements.words_of(workspace.repo).numbered(record.second))
    return ForecastRow(
        badge=Badge("Outdated", Tone.OFF) if outdated else _badge(record.result),
        first=_change(tx, workspace, record.first),
        second=_change(tx, workspace, record.second),
        words=harmless(said[:1].upper() + said[1:]),
        run=Link(record.run_id, elements.run_url(record.run_id)) if record.run_id else None,
    )


def _change(tx: Transaction, workspace: Workspace, number: int) -> Link:
    known = tx.changes.numbered(workspace.repo, number)
    title = f" {known.change.title}" if known is not None else ""
    label = f"{elements.words_of(workspace.repo).numbered(number)}{title}"
    return Link(harmless(" ".join(label.split())[:200]), elements.change_url(workspace, number))


def _badge(result: Forecast | None) -> Badge:
    if result is None:
        return Badge("Planning", Tone.WORK)
    if result.independent:
        return Badge("Independent", Tone.GOOD)
    if result.canceled_by:
        return Badge("Canceled", Tone.OFF)
    if result.conflicts:
        return Badge("Conflict", Tone.BAD)
    if result.error:
        return Badge("Fails", Tone.BAD)
    if result.together:
        return Badge("More together", Tone.BAD)
    return Badge("Order matters", Tone.ASK)


def _off(workspace: Workspace) -> ForecastsOff | None:
    """Say why no forecasts are made in a workspace. None if they are."""
    here = "in plangate.yml, so this workspace has none."
    if not services().config.forecasts:
        return ForecastsOff("PLANGATE_FORECASTS=0", "is set, so nothing is planned together.", "")
    if not workspace.merging.forecast:
        return ForecastsOff("forecast: false", f"is set {here}", "forecast: true")
    if not workspace.merging.plans_merges:
        return ForecastsOff("plan_of: head", f"is set {here}", "plan_of: merge")
    return None
