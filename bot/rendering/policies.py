"""What a change's comment shows of policies: the failed ones with their messages, the rest folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.policy import Level, Outcome, PolicyCheck, tally
from bot.domain.report import Section
from bot.rendering.neutral import Markdown, cell, code, html, link, plain

MOST_POLICIES = 30
_MOST_MESSAGES = 5
_SIGNS = {Level.HARD: "⛔", Level.SOFT: "🟠", Level.ADVISORY: "🔵"}


@dataclass(frozen=True)
class PolicyRow:
    """One policy's line: its name, its level, and what it says."""

    name: Markdown
    level: Markdown
    says: Markdown


@dataclass(frozen=True)
class PolicyPart:
    """A workspace's policies. `more` failed ones have no room here; `rest` did not fail."""

    name: Markdown
    tally: Markdown
    rows: tuple[PolicyRow, ...]
    more: int
    rest: tuple[PolicyRow, ...]
    rest_title: Markdown
    whole: Markdown


def policy_part(section: Section, most: int) -> PolicyPart | None:
    """Return what is shown of a section's policies, at most so many failed ones; None where none judged."""
    checks = section.policies
    if not checks:
        return None
    failed = [check for check in checks if not check.passed]
    rest = [check for check in checks if check.passed]
    shown = failed[:most]
    return PolicyPart(
        name=plain(section.workspace.name),
        tally=plain(tally(checks)),
        rows=tuple(_row(check) for check in shown),
        more=len(failed) - len(shown),
        rest=tuple(_row(check) for check in rest[:MOST_POLICIES]) if most else (),
        rest_title=html(f"{len(rest)} passed"),
        whole=link(Markdown("the run's page"), section.run_url),
    )


def most_failed(sections: Sequence[Section]) -> int:
    """Return how many failed policies there are to show of any workspace, one at least where any judged."""
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
    if more := len(check.messages) - len(lines):
        lines.append(Markdown(f"… and {more} more"))
    if check.outcome is Outcome.ERRORED:
        lines.insert(0, Markdown("could not be evaluated:"))
    if check.override:
        by, why = code(check.override.by, 80), plain(check.override.reason, 200)
        lines.append(Markdown(f"overridden by {by}: {why}"))
    return Markdown("<br>".join(lines))
