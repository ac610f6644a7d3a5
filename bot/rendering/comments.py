"""The Texts port: renders each comment through its template, always within the forge's limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.domain.changes.requirements import Check
from bot.domain.changes.why import WhyReport
from bot.domain.commands.grammar import USAGES
from bot.domain.people.permissions import NEEDS, Role, access_words
from bot.domain.reports.replays import ReplayReport
from bot.domain.reports.report import ApplyReport, ChangeReport, ChangeText
from bot.rendering.applies import AppliesView
from bot.rendering.apply_report import ApplyReportView
from bot.rendering.change import ChangeView, alert_marks
from bot.rendering.conflicts import conflict_part
from bot.rendering.escape import Markdown, cell, code, link, phrase
from bot.rendering.fit import Depth, fit
from bot.rendering.replays import most_runs, replay_context
from bot.rendering.requirements import Answer, listed, requirement_tables
from bot.rendering.why import why_context

# In a checkout the templates lie beside the package, in an installed wheel inside it.
_PACKAGE = Path(__file__).parents[1]
_BARE = "The result is too long for a comment: see the runs in Plangate.\n"
_PLACES = (_PACKAGE.parent / "templates", _PACKAGE / "templates")


class Rendering:
    """Turns reports into Markdown. `public_url` is where people find this server, no trailing slash."""

    def __init__(self, public_url: str, template_dir: Path | None = None) -> None:
        self._home = public_url
        places = (template_dir,) if template_dir else _PLACES
        self._templates = Environment(
            loader=FileSystemLoader([place / "comments" for place in places]),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701  Markdown, not HTML: _only_markdown lets nothing raw through
            finalize=_only_markdown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["plural"] = _plural

    def change_comment(self, report: ChangeReport, limit: int) -> ChangeText:
        """Return the one comment that a change has, without its marker, of at most `limit` characters."""
        if not report.sections and (conflict := conflict_part(report)):
            home = link(Markdown("all runs"), report.url or self._home)
            return ChangeText(
                self._render(
                    "conflicting.md",
                    conflict=conflict,
                    sha=code(report.sha[:7]),
                    home=home,
                    mark=alert_marks(report),
                )
            )
        if not report.sections:
            reason = phrase(report.none_affected.strip().rstrip("."))
            sha = code(report.sha[:7])
            text = self._render("none.md", reason=reason, sha=sha)
            return ChangeText(text if len(text) <= limit else self._render("none.md", reason="", sha=sha))
        view = ChangeView(report, self._home, limit)
        found = self._fitting("change.md", view, limit)
        return ChangeText(found[0], view.whole(found[1])) if found else ChangeText(_BARE[:limit])

    def applies_comment(self, reports: Sequence[ApplyReport], url: str, limit: int) -> str:
        """Return the comment on the applies of one `/apply`, of at most `limit` characters.

        `url` is the page with all runs.
        """
        if len(reports) == 1:
            found = self._fitting("outcome.md", ApplyReportView(reports[0], limit), limit)
        else:
            found = self._fitting("applies.md", AppliesView(reports, url or self._home, limit), limit)
        return found[0] if found else _BARE[:limit]

    def refusal_comment(
        self,
        login: str,
        lines: Sequence[tuple[str, str]],
        limit: int,
        tables: Sequence[tuple[str, Sequence[Check]]] = (),
    ) -> str:
        """Return the answer to refused commands, of at most `limit` characters; it mentions nobody.

        A reason is told once, for all that it refuses. Workspaces with the same missing requirements share a
        table; the last tables are dropped first.
        """
        answers = _answers(lines)
        lacking = requirement_tables(tables)
        for shown in range(len(answers) + len(lacking), -1, -1):
            told, whole = answers[:shown], lacking[: max(0, shown - len(answers))]
            text = self._render(
                "refusal.md",
                login=code(login, 100),
                answers=told,
                more=sum(answer.number for answer in answers[len(told) :]),
                tables=whole,
                more_tables=sum(table.number for table in lacking[len(whole) :]),
            )
            if len(text) <= limit:
                return text
        return _BARE[:limit]

    def why_comment(self, report: WhyReport, limit: int) -> str:
        """Return the answer to `/why` within `limit` characters; the last workspaces are dropped first."""
        shown = len(report.parts) + len(report.others)
        while shown >= 0:
            text = self._render("why.md", **vars(why_context(report, shown)))
            if len(text) <= limit:
                return text
            shown = shown * 3 // 4 if shown else -1
        return _BARE[:limit]

    def replay_comment(self, report: ReplayReport, limit: int) -> str:
        """Return the comment on a change of policy sets within `limit` characters; long lists are cut."""
        shown = most_runs(report)
        while shown >= 0:
            text = self._render("policies.md", **vars(replay_context(report, shown)))
            if len(text) <= limit:
                return text
            shown = shown * 3 // 4 if shown else -1
        return _BARE[:limit]

    def help_comment(self, limit: int) -> str:
        """Return the table of commands, of at most `limit` characters."""
        rows = [
            (cell(code(usage.form)), _who(NEEDS[usage.needs]), cell(phrase(usage.does)))
            for usage in USAGES.values()
        ]
        text = self._render("help.md", rows=rows)
        return text if len(text) <= limit else _BARE[:limit]

    def _fitting(
        self, template: str, view: ChangeView | ApplyReportView | AppliesView, limit: int
    ) -> tuple[str, Depth] | None:
        def render(depth: Depth) -> str:
            return self._render(template, **vars(view.context(depth)))

        return fit(view.full, render, limit)

    def _render(self, template: str, **context: Any) -> str:
        return self._templates.get_template(template).render(context).strip() + "\n"


def _answers(lines: Sequence[tuple[str, str]]) -> list[Answer]:
    by_why: dict[str, list[str]] = {}
    for what, why in lines:
        by_why.setdefault(why, []).append(what)
    return [Answer(listed(map(_what, found)), phrase(why, 600), len(found)) for why, found in by_why.items()]


def _what(words: str) -> Markdown:
    return code(words, 120)


def _who(role: Role) -> Markdown:
    return Markdown(
        "a policy set's owners" if role is Role.OWNER else access_words(role).replace(" access", "")
    )


def _plural(number: int) -> Markdown:
    return Markdown("" if number == 1 else "s")


def _only_markdown(value: object) -> object:
    """Allow a template to print only escaped text (promise 5). Raises TypeError."""
    if isinstance(value, Markdown | int):
        return value
    raise TypeError(f"a comment's template prints raw text: {type(value).__name__}")
