"""View model of policies in a change's comment: failed ones with messages, the rest folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome, tally
from bot.domain.reports.report import WorkspaceSection
from bot.rendering.alike import Members, names
from bot.rendering.escape import Markdown, cell, code, html, link, plain

MOST_POLICIES = 30
_MOST_MESSAGES = 5
_SIGNS = {EnforcementLevel.HARD: "⛔", EnforcementLevel.SOFT: "🟠", EnforcementLevel.ADVISORY: "🔵"}


@dataclass(frozen=True)
class PolicyRow:
    """One policy's line: its name, its level, and its message."""

    name: Markdown
    level: Markdown
    says: Markdown


@dataclass(frozen=True)
class PolicyPart:
    """What policies say of some workspaces. `more` failed ones have no room here; `rest` did not fail."""

    name: Markdown
    tally: Markdown
    rows: tuple[PolicyRow, ...]
    more: int
    rest: tuple[PolicyRow, ...]
    rest_title: Markdown
    whole: Markdown


def policy_parts(
    sections: Sequence[WorkspaceSection], groups: Sequence[Members], most: int, most_names: int
) -> Iterable[PolicyPart]:
    """Yield what policies say, once for all workspaces of which they say the same.

    At most so many failed policies and names of workspaces are shown.
    """
    same: dict[PolicyPart, list[int]] = {}
    for members in groups:
        section = sections[members[0]]
        if section.policies:
            same.setdefault(_part(section.policies, most), []).extend(members)
    for part, indexes in same.items():
        named = names(sections, tuple(indexes), most_names)
        page = link(Markdown("the run's page"), sections[indexes[0]].run_url)
        yield replace(part, name=named, whole=page)


def _part(checks: Sequence[PolicyCheck], most: int) -> PolicyPart:
    failed = [check for check in checks if not check.passed]
    rest = [check for check in checks if check.passed]
    shown = failed[:most]
    return PolicyPart(
        name=Markdown(""),
        tally=plain(tally(checks)),
        rows=tuple(_row(check) for check in shown),
        more=len(failed) - len(shown),
        rest=tuple(_row(check) for check in rest[:MOST_POLICIES]) if most else (),
        rest_title=html(f"{len(rest)} passed"),
        whole=Markdown(""),
    )


def most_failed(sections: Sequence[WorkspaceSection]) -> int:
    """Return the greatest number of failed policies of a workspace; at least one if any policy judged."""
    counts = [sum(not check.passed for check in section.policies) for section in sections]
    return min(MOST_POLICIES, max(1, *counts)) if any(section.policies for section in sections) else 0


def _row(check: PolicyCheck) -> PolicyRow:
    sign = "✅" if check.passed else "↪️" if check.override else _SIGNS[check.level]
    return PolicyRow(
        name=cell(Markdown(f"{sign} {code(check.name, 120)}")),
        level=cell(plain(check.level.value)),
        says=cell(_says(check)),
    )


def _says(check: PolicyCheck) -> Markdown:
    if check.passed:
        return plain(check.description, 200)
    lines = [plain(message, 300) for message in check.messages[:_MOST_MESSAGES]]
    if more := check.total - len(lines):
        lines.append(Markdown(f"… and {more} more"))
    if check.outcome is PolicyOutcome.ERRORED:
        lines.insert(0, Markdown("could not be evaluated:"))
    if check.override:
        by, why = code(check.override.by, 80), plain(check.override.reason, 200)
        lines.append(Markdown(f"overridden by {by}: {why}"))
    return Markdown("<br>".join(lines))
