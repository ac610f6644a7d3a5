"""Builds what the estate's page counts: workspaces by state, runs by day, how long plans and applies take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from flask import url_for

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.runs.timing import most, usual
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import DayOfRuns
from bot.services.runs.durations import StageLength
from bot.web.estate.context import DayBar, LengthRow, Lengths, RecentRuns, Share
from bot.web.page import elements, wording
from bot.web.page.layout import Link, Tone
from bot.web.page.output import harmless

WEEKS = 4
DAYS = 7 * WEEKS

HEIGHT = 96
"""Pixels of the highest bar."""

SLOWEST = 5
_ACROSS = 20
_WHOLE = 1000
_LABELS = {
    Tone.BAD: ("Errored", "errored"),
    Tone.ASK: ("Need a decision", "attention"),
    Tone.WORK: ("Running", "running"),
    Tone.WAIT: ("Waiting", ""),
    Tone.GOOD: ("Applied or without changes", ""),
    Tone.OFF: ("Stopped, or no run yet", ""),
}


def shares(workspaces: Sequence[Workspace], runs: Mapping[str, Run]) -> tuple[Share, ...]:
    """Return how many workspaces have each colour, the urgent ones first."""
    counts = Counter(
        wording.badge_of(runs[each.id]).tone if each.id in runs else Tone.OFF for each in workspaces
    )
    found: list[Share] = []
    done = 0
    for tone, (label, show) in _LABELS.items():
        if not counts[tone]:
            continue
        begin, done = done * _WHOLE // len(workspaces), done + counts[tone]
        url = url_for("workspaces.home", show=show) if show else ""
        width = done * _WHOLE // len(workspaces) - begin
        found.append(Share(tone, Link(label, url), counts[tone], begin, width))
    return tuple(found)


def recent(days: Iterable[DayOfRuns], today: date) -> RecentRuns:
    """Return the runs of the last weeks as columns, one for each day."""
    known = {each.day: each for each in days}
    row = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    counted = [known.get(day, DayOfRuns(day)) for day in row]
    highest = max(each.total for each in counted)
    runs, applied = sum(each.total for each in counted), sum(each.applied for each in counted)
    errored = sum(each.errored for each in counted)
    return RecentRuns(
        bars=tuple(_bar(at, each, highest) for at, each in enumerate(counted)),
        words=f"{runs:,} {'run' if runs == 1 else 'runs'}, {applied:,} applied, {errored:,} errored",
        most=highest,
        first=_named(row[0]),
        last=_named(row[-1]),
    )


def weeks(lengths: Sequence[StageLength], now: datetime) -> tuple[LengthRow, ...]:
    """Return how long plans and applies took in each of the last weeks, the latest first."""
    rows = []
    for number in range(WEEKS):
        last = now.date() - timedelta(days=7 * number)
        first = last - timedelta(days=6)
        mine = [each for each in lengths if first <= each.began.date() <= last]
        rows.append((Link(f"{_named(first)} to {_named(last)}"), mine))
    return _rows(rows)


def slowest(lengths: Sequence[StageLength], workspaces: Iterable[Workspace]) -> tuple[LengthRow, ...]:
    """Return the workspaces whose plans usually take longest."""
    mine: dict[str, list[StageLength]] = {}
    for each in lengths:
        mine.setdefault(each.workspace_id, []).append(each)
    ranked = []
    for workspace in workspaces:
        found = mine.get(workspace.id, [])
        median = usual([each.length for each in found if each.stage is RunStatus.PLANNING])
        if median is not None:
            link = Link(harmless(workspace.name), elements.workspace_url(workspace.name))
            ranked.append((median, link, found))
    ranked.sort(key=lambda each: (-each[0], each[1].words))
    return _rows([(link, found) for _, link, found in ranked[:SLOWEST]])


def _rows(rows: Sequence[tuple[Link, Sequence[StageLength]]]) -> tuple[LengthRow, ...]:
    by_stage = [
        [[each.length for each in found if each.stage is stage] for _, found in rows]
        for stage in (RunStatus.PLANNING, RunStatus.APPLYING)
    ]
    # One scale for plans and applies, so that their bars can be compared.
    longest = max((most(each) or timedelta() for stage in by_stage for each in stage), default=timedelta())
    return tuple(
        LengthRow(
            name, _lengths(plans, longest, "plan", "plans"), _lengths(applies, longest, "apply", "applies")
        )
        for (name, _), plans, applies in zip(rows, *by_stage, strict=True)
    )


def _lengths(found: Sequence[timedelta], longest: timedelta, one: str, several: str) -> Lengths | None:
    median, nine = usual(found), most(found)
    if median is None or nine is None:
        return None
    half, whole = (max(1, round(100 * each / longest)) for each in (median, nine))
    count = f"{len(found):,} {one if len(found) == 1 else several}"
    return Lengths(count, wording.took(median), wording.took(nine), half, max(half, whole))


def _bar(at: int, day: DayOfRuns, highest: int) -> DayBar:
    said = f"{_named(day.day)}: {day.total:,} {'run' if day.total == 1 else 'runs'}"
    if day.total:
        said += f", {day.applied:,} applied, {day.errored:,} errored"
    applied, errored = (_height(count, highest) for count in (day.applied, day.errored))
    return DayBar(
        x=at * _ACROSS,
        url=url_for("search.show", since=day.day.isoformat(), until=day.day.isoformat()),
        words=said,
        applied=applied,
        errored=errored,
        other=max(0, _height(day.total, highest) - applied - errored) if day.other else 0,
    )


def _height(count: int, highest: int) -> int:
    """Return the height of a part of a column; what there is at all is seen."""
    return max(2, round(HEIGHT * count / highest)) if count else 0


def _named(day: date) -> str:
    return f"{day:%b} {day.day}"
