"""The document of the answer to why: what `/why` says in a comment."""

from __future__ import annotations

from typing import Any

from bot.domain.changes.why import WhyReport, WhySection


def why_document(about: str, report: WhyReport, problem: str = "") -> dict[str, Any]:
    """Return the answer as a document. `problem` is why the forge could not be asked."""
    return {
        "about": about,
        "commit": report.sha,
        "workspaces": [_section(each) for each in report.parts],
        "others": [_section(each) for each in report.others],
        "merging": report.merging or None,
        "problem": problem or None,
    }


def _section(section: WhySection) -> dict[str, Any]:
    return {
        "name": section.workspace,
        "touched": section.touched,
        "sentences": list(section.sentences),
        "requirements": [
            {"requirement": check.requirement, "met": check.met, "why": check.why} for check in section.checks
        ],
        "run": section.run_url or None,
    }
