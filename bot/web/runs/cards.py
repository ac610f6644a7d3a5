"""Builds the cards of a run's plan and apply, the apply's progress, and the chart of the time spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for

from bot.domain.plans.diagnostics import errors_text
from bot.domain.plans.progress import ApplyReader, Progress
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.runs.timing import TimePart, TimeSpan, spans, stage_times
from bot.services.plans.plan_text import KeptText
from bot.services.ports import Transaction
from bot.services.runs.durations import usual_length
from bot.web.page import wording
from bot.web.page.layout import Timestamp
from bot.web.page.output import harmless, html_of
from bot.web.runs.context import Output, PlanTextView, ProgressBar, Segment, Stage, TimeSpent
from bot.web.runs.cursor import BEGINNING, Cursor, Piece, new_output

_LABELS = {
    TimePart.QUEUE: "In the queue",
    TimePart.FETCH: "Fetch",
    TimePart.INIT: "Init",
    TimePart.PLAN: "Plan",
    TimePart.POLICIES: "Policies",
    TimePart.WAIT: "Waiting for a person",
    TimePart.APPLY: "Apply",
}
# A short part next to a long wait stays visible.
_NARROWEST = 12
_NAMED = 3
_NO_TIME = timedelta(milliseconds=500)
# Terraform prints a stage's errors at its end.
_ERRORS_WITHIN = 20_000


@dataclass(frozen=True)
class Outputs:
    """Both stages' output, as far as the page shows it; how far the apply is; how long both usually take."""

    plan: Piece | None
    apply: Piece | None
    progress: Progress | None
    usual: dict[str, timedelta]
    errors: str = ""

    def cursor(self, signature: str) -> Cursor:
        """Return the cursor of a page that shows this."""
        places = [piece.place if piece else BEGINNING for piece in (self.plan, self.apply)]
        return Cursor(signature, *places)


def read_outputs(tx: Transaction, run: Run, *, bare: bool) -> Outputs:
    """Read the content of the cards; only durations if the page already has the output (`bare`)."""
    usual = {}
    for stage, status in (("plan", RunStatus.PLANNING), ("apply", RunStatus.APPLYING)):
        if run.status is status and (length := usual_length(tx, run, status)):
            usual[stage] = length
    pieces = [None if bare else output_of(tx, run, stage) for stage in ("plan", "apply")]
    return Outputs(pieces[0], pieces[1], read_progress(tx, run), usual, _errors(tx, run))


def _errors(tx: Transaction, run: Run) -> str:
    """Return every error of the stage that failed."""
    for stage, status in (("apply", run.apply_status), ("plan", run.plan_status)):
        if status is StageStatus.ERRORED:
            text = errors_text(tx.artifacts.output_end(run.id, stage, _ERRORS_WITHIN).text)
            return "\n".join(harmless(line) for line in text.split("\n"))
    return ""


def output_of(tx: Transaction, run: Run, stage: str) -> Piece | None:
    """Return a stage's output from its beginning, or as much of its end as fits."""
    return new_output(tx, run.id, stage, BEGINNING, running=is_running(run, stage))


def is_running(run: Run, stage: str) -> bool:
    """Whether Terraform runs in this stage, so that the last line may be incomplete."""
    status = run.apply_status if stage == "apply" else run.plan_status
    return status is StageStatus.RUNNING and not run.final


def read_progress(tx: Transaction, run: Run) -> Progress | None:
    """Return how far an apply under way is, None if none is."""
    if run.status is not RunStatus.APPLYING:
        return None
    reader = ApplyReader(run.counts)
    reader.feed(tx.artifacts.output(run.id, "apply"))
    return reader.progress


def stage_card(run: Run, stage: str, timeline: Sequence[RunEvent], outputs: Outputs, now: datetime) -> Stage:
    """Return the card of the plan or the apply."""
    applies = stage == "apply"
    status = run.apply_status if applies else run.plan_status
    began, ended = stage_times(timeline, RunStatus.APPLYING if applies else RunStatus.PLANNING)
    undecided = not applies and (run.awaits_confirmation or run.status is RunStatus.POLICY_OVERRIDE)
    usual = outputs.usual.get(stage)
    at_work = status in (StageStatus.RUNNING, StageStatus.ERRORED)
    return Stage(
        name=stage,
        title="Apply" if applies else "Plan",
        badge=wording.stage_badge(run, status),
        took=wording.took((ended or now) - began) if began and (ended or is_running(run, stage)) else "",
        began=_moment(began, now),
        ended=_moment(ended, now),
        usual=f"usually {wording.took(usual)}" if usual else "",
        open=undecided or at_work or _matters(run, stage, status),
        output_open=applies or at_work or not run.has_changes,
        output=_output(run, stage, outputs.apply if applies else outputs.plan, status),
        errors=outputs.errors if status is StageStatus.ERRORED else "",
        summary=_summary(run, stage, timeline, status),
        loud=(f"{run.counts.destroy} to destroy",) if run.counts and run.counts.destroy else (),
    )


def _matters(run: Run, stage: str, status: StageStatus) -> bool:
    """Whether people open a run that has ended for this stage."""
    if stage == "apply":
        return status in (StageStatus.FINISHED, StageStatus.CANCELED)
    # What went wrong in an apply stands first.
    apply_failed = run.apply_status is StageStatus.ERRORED
    return run.final and status in (StageStatus.FINISHED, StageStatus.CANCELED) and not apply_failed


def _summary(run: Run, stage: str, timeline: Sequence[RunEvent], status: StageStatus) -> str:
    """Return a finished stage's result in a line, as Terraform puts it."""
    if status is not StageStatus.FINISHED:
        return ""
    if stage == "apply":
        ended = next((each for each in reversed(timeline) if each.kind == RunStatus.APPLIED.value), None)
        return harmless(wording.first_line(ended.message, 300)) if ended else ""
    if run.has_changes is False:
        return "No changes."
    if run.counts is None:
        return ""
    imports = f"{run.counts.imports} to import, " if run.counts.imports else ""
    counts = f"{run.counts.add} to add, {run.counts.change} to change, {run.counts.destroy} to destroy."
    return f"Plan: {imports}{counts}"


def plan_text(run_id: str, text: KeptText | None) -> PlanTextView | None:
    """Return a plan as text, as much of it as a page shows."""
    if text is None:
        return None
    shown = [line.plain() for line in text.lines]
    return PlanTextView(
        lines=html_of(shown, "text", 1, plan=True),
        more=text.more,
        raw_url=url_for("runs.plan_text", run_id=run_id),
        at_apply=tuple(
            (harmless(each.address), harmless(each.words.replace("`", ""))) for each in text.at_apply
        ),
    )


def _moment(at: datetime | None, now: datetime) -> Timestamp | None:
    return wording.moment(at, now) if at else None


def _output(run: Run, stage: str, piece: Piece | None, status: StageStatus) -> Output:
    first = piece.first if piece else 1
    return Output(
        lines=html_of(piece.lines if piece else (), stage, first),
        first=first,
        raw_url=url_for("runs.output", run_id=run.id, stage=stage),
        earlier_url=url_for("live.lines", run_id=run.id, stage=stage),
        search_url=url_for("output_search.show", run_id=run.id, stage=stage),
        empty=_empty(status, piece, run.final),
    )


def _empty(status: StageStatus, piece: Piece | None, final: bool) -> str:
    if piece and piece.lines:
        return ""
    if status is StageStatus.RUNNING:
        return "Terraform is at work; its output appears here."
    return "No output." if final or status is StageStatus.FINISHED else "Not started yet."


def progress_bar(progress: Progress | None) -> ProgressBar | None:
    """Return the bar of an apply, None if none is under way or nothing is counted."""
    if progress is None or not progress.total:
        return None
    named = tuple(map(harmless, progress.under_way[:_NAMED]))
    more = len(progress.under_way) - len(named)
    return ProgressBar(
        percent=progress.percent,
        words=f"{progress.done:,} of {progress.total:,} done",
        under_way=(*named, f"and {more} more") if more else named,
    )


def times(timeline: Sequence[RunEvent], now: datetime) -> TimeSpent | None:
    """Return where the time went, None if it went nowhere yet."""
    found = spans(timeline, now)
    whole = sum((span.length for span in found), timedelta())
    if whole < timedelta(milliseconds=100):
        return None
    totals: dict[TimePart, timedelta] = {}
    # A run that was confirmed at once waited for nobody.
    found = tuple(
        span for span in found if span.length >= _NO_TIME or (span.length and span.part is not TimePart.WAIT)
    )
    for span in found:
        totals[span.part] = totals.get(span.part, timedelta()) + span.length
    return TimeSpent(
        whole=wording.took(whole),
        bar=_bar(found, whole),
        parts=tuple(_segment(part, length, whole) for part, length in totals.items()),
    )


def _bar(found: Sequence[TimeSpan], whole: timedelta) -> tuple[Segment, ...]:
    widths = [max(_NARROWEST, round(1000 * (span.length / whole))) for span in found]
    scale, x, bar = 1000 / sum(widths), 0.0, []
    for span, width in zip(found, widths, strict=True):
        bar.append(_segment(span.part, span.length, whole, round(x), round(x + width * scale) - round(x)))
        x += width * scale
    return tuple(bar)


def _segment(part: TimePart, length: timedelta, whole: timedelta, x: int = 0, width: int = 0) -> Segment:
    share = f"{100 * (length / whole):.0f} %"
    return Segment(part.value, _LABELS[part], wording.took(length), share, x, width)
