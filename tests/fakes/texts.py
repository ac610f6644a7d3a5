"""Comments in bare words, so that tests of the services do not hang on how they are dressed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.changes.requirements import Check
from bot.domain.changes.why import WhyReport
from bot.domain.commands.grammar import USAGES
from bot.domain.reports.replays import ReplayReport, replay_headline
from bot.domain.reports.report import ApplyReport, ChangeReport, ChangeText


class PlainTexts:
    """Implements Texts: a line for each thing said. `hidden` names workspaces whose plans do not fit."""

    def __init__(self, *hidden: str) -> None:
        self.hidden = hidden

    def change_comment(self, report: ChangeReport, limit: int) -> ChangeText:
        """Every plan is shown whole but those of `hidden`."""
        lines = [
            f"{s.workspace.name}: {s.headline}; next: {s.next_step or 'nothing'}" for s in report.sections
        ]
        lines += [s.plan_text for s in report.sections if s.plan_text]
        lines += [s.errors for s in report.sections if s.errors]
        lines += [f"delta: {s.run.delta}" for s in report.sections if s.run.delta]
        lines += [report.merging] if report.merging else []
        lines += [report.edited] if report.edited else []
        lines += [f"on top of {report.top}"] if report.top else []
        lines += [report.conflict, *report.conflicts] if report.conflict else []
        lines += [f"note: {words}" for s in report.sections for words in s.notes]
        text = "\n".join([f"plans of {report.sha}", *lines, report.none_affected])[:limit]
        whole = [s.run.id for s in report.sections if s.workspace.name not in self.hidden]
        return ChangeText(text, tuple(whole))

    def applies_comment(self, reports: Sequence[ApplyReport], url: str, limit: int) -> str:
        return "\n".join(map(_of_apply, reports))[:limit]

    def why_comment(self, report: WhyReport, limit: int) -> str:
        lines = []
        for part in (*report.parts, *report.others):
            lines += [f"{part.workspace} {sentence}" for sentence in part.sentences]
            lines += [f"{'yes' if c.met else 'no'} {c.requirement} {c.why}".rstrip() for c in part.checks]
        lines += [report.merging] if report.merging else []
        return "\n".join([f"why {report.sha}", *lines])[:limit]

    def replay_comment(self, report: ReplayReport, limit: int) -> str:
        lines = []
        for each in report.replays:
            lines.append(f"{each.set_name}: {replay_headline(each)[1]}")
            lines += each.result.errors if each.result else ()
            for one in each.result.compared if each.result else ():
                failing = f"+{','.join(one.newly)} -{','.join(one.no_longer)}"
                lines.append(f"{one.workspace}: {one.before.words} -> {one.after.words} {failing}")
        return "\n".join([f"policies of {report.sha}", *lines])[:limit]

    def help_comment(self, limit: int) -> str:
        return "\n".join(["commands", *(usage.form for usage in USAGES.values())])[:limit]

    def refusal_comment(
        self,
        login: str,
        lines: Sequence[tuple[str, str]],
        limit: int,
        tables: Sequence[tuple[str, Sequence[Check]]] = (),
    ) -> str:
        said = [f"{what}: {why}" for what, why in lines]
        for name, checks in tables:
            said.append(f"{name} lacks:")
            said += [f"{'yes' if c.met else 'no'} {c.requirement} {c.why}".rstrip() for c in checks]
        return "\n".join([f"refused for {login}", *said])[:limit]


def _of_apply(report: ApplyReport) -> str:
    run = report.run
    if report.superseded_by:
        return f"outdated by {report.superseded_by}: {report.workspace.name} {run.status.value}"
    return f"{report.workspace.name} {run.status.value}: {run.error}\n{report.output_tail}"
