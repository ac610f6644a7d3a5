"""Comments in bare words, so that tests of the services do not hang on how they are dressed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.commands import USAGES
from bot.domain.replays import ReplayReport, replay_headline
from bot.domain.report import ChangeReport, OutcomeReport
from bot.domain.requirements import Check
from bot.domain.why import WhyReport


class PlainTexts:
    """Implements Texts: a line for each thing said."""

    def change_comment(self, report: ChangeReport, limit: int) -> str:
        lines = [
            f"{s.workspace.name}: {s.headline}; next: {s.next_step or 'nothing'}" for s in report.sections
        ]
        lines += [s.plan_text for s in report.sections if s.plan_text]
        lines += [f"delta: {s.run.delta}" for s in report.sections if s.run.delta]
        lines += [report.merging] if report.merging else []
        lines += [f"note: {words}" for s in report.sections for words in s.notes]
        return "\n".join([f"plans of {report.sha}", *lines, report.none_affected])[:limit]

    def outcome_comment(self, report: OutcomeReport, limit: int) -> str:
        run = report.run
        if report.superseded_by:
            return f"outdated by {report.superseded_by}: {report.workspace.name} {run.status.value}"[:limit]
        return f"{report.workspace.name} {run.status.value}: {run.error}\n{report.output_tail}"[:limit]

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
