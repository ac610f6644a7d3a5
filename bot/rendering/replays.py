"""View model of the comment on a change of policy sets: `templates/comments/policies.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.domain.reports.replays import (
    PlanComparison,
    Replay,
    ReplayReport,
    ReplayResult,
    ReplayState,
    replay_headline,
)
from bot.rendering.escape import Markdown, cell, code, html, link, phrase, plain

_MOST_POLICIES = 5


@dataclass(frozen=True)
class Group:
    """Runs that came out alike: a folded list. `more` have no room here."""

    title: Markdown
    lines: tuple[Markdown, ...]
    more: int


@dataclass(frozen=True)
class SetPart:
    """A policy set: the state of its replay, why it can't be evaluated, and the runs with another result."""

    name: Markdown
    sign: Markdown
    words: Markdown
    errors: tuple[Markdown, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class ReplayContext:
    """Everything that the template sees."""

    sha: Markdown
    title: Markdown
    parts: tuple[SetPart, ...]
    tried: bool


def replay_context(report: ReplayReport, most: int) -> ReplayContext:
    """Return the view model, with at most so many runs of each group."""
    return ReplayContext(
        sha=code(report.sha[:7]),
        title=_title(report),
        parts=tuple(_part(each, report.runs_url, most) for each in report.replays),
        tried=any(each.result and each.result.plans for each in report.replays),
    )


def most_runs(report: ReplayReport) -> int:
    """Return how many runs the longest list may have."""
    return max((len(each.result.compared) for each in report.replays if each.result), default=0)


def _title(report: ReplayReport) -> Markdown:
    if not report.replays:
        return Markdown("⚪ The latest commit touches no policy set")
    if any(
        each.state is ReplayState.FAILED or (each.result and each.result.errors) for each in report.replays
    ):
        return Markdown("❌ A policy set can't be evaluated as this change has it")
    if any(each.state is not ReplayState.DONE for each in report.replays):
        return Markdown("🧪 Trying the policies of this change")
    blocked = sum(each.result.blocked for each in report.replays if each.result)
    allowed = sum(each.result.allowed for each in report.replays if each.result)
    if not blocked and not allowed:
        return Markdown("✅ The policies of this change would block and allow the same plans as now")
    return Markdown(f"🧪 The policies of this change: {blocked} newly blocked, {allowed} newly allowed")


def _part(replay: Replay, runs_url: str, most: int) -> SetPart:
    _, words = replay_headline(replay)
    result = replay.result or ReplayResult()
    signs = {ReplayState.HELD: "⏸️", ReplayState.WANTED: "⏳", ReplayState.FAILED: "❌"}
    sign = signs.get(replay.state, "❌" if result.errors else "🟠" if result.blocked else "✅")
    return SetPart(
        name=cell(code(replay.set_name, 90)),
        sign=Markdown(sign),
        words=cell(phrase(words, 300)),
        errors=tuple(plain(error, 400) for error in result.errors),
        groups=tuple(_groups(replay.set_name, result, runs_url, most)),
    )


def _groups(name: str, result: ReplayResult, runs_url: str, most: int) -> Iterator[Group]:
    kinds: tuple[tuple[str, int, Callable[[PlanComparison], bool]], ...] = (
        ("newly blocked", result.blocked, lambda each: each.after > each.before),
        ("newly allowed", result.allowed, lambda each: each.after < each.before),
        (
            "with a difference in the failed policies",
            result.differing - result.blocked - result.allowed,
            lambda each: each.after == each.before,
        ),
    )
    for words, count, belongs in kinds:
        lines = [_line(each, runs_url) for each in result.compared if belongs(each)][:most]
        if count:
            title = Markdown(f"<b>{html(name, 90)}</b> · {count} {words}")
            yield Group(title, tuple(lines), count - len(lines))


def _line(found: PlanComparison, runs_url: str) -> Markdown:
    run = link(plain(found.run_id, 60), f"{runs_url}{found.run_id}")
    line = f"{run} of {code(found.workspace, 90)}: {found.before.words}"
    if found.after != found.before:
        line = f"{run} of {code(found.workspace, 90)}: {found.before.words} now, {found.after.words} then"
    if found.newly:
        line += f"; then fails {_names(found.newly)}"
    if found.no_longer:
        line += f"; no longer fails {_names(found.no_longer)}"
    return Markdown(line)


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(code(name, 100) for name in names[:_MOST_POLICIES])
    return f"{shown} and {len(names) - _MOST_POLICIES} more" if len(names) > _MOST_POLICIES else shown
