"""What reports and pages say of forecasts: of those that are still of the changes as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.domain.events import RepoRef
from bot.domain.plans.forecast import Forecast
from bot.domain.runs.run import Run
from bot.domain.terms import ForgeWords
from bot.services.plans.plan_inputs import state_name
from bot.services.ports import ForecastRecord, Transaction

_MOST_WORDS = 380


@dataclass(frozen=True)
class ForecastNote:
    """What a change does together with another one. `place` is the workspace, if the plan is of another."""

    other: int
    result: Forecast
    place: str = ""


def current_forecasts(
    tx: Transaction, repo: RepoRef, records: Sequence[ForecastRecord]
) -> Sequence[ForecastRecord]:
    """Return the forecasts that are still true: their changes are open, as planned, on the same state."""
    if not records:
        return ()
    heads = {each.number: each.head_sha for each in tx.changes.open_heads(repo)}
    states = tx.states.currents({each.workspace_id for each in records})

    def is_current(record: ForecastRecord) -> bool:
        plans = ((record.first, record.first_plan), (record.second, record.second_plan))
        same = all(heads.get(number) == tx.runs.get(plan).commit for number, plan in plans)
        if same and record.result is not None and record.result.conflicts:
            # Another base may have other conflicts. Plans stay, if they can't read what has moved there.
            change = tx.changes.numbered(repo, record.first)
            same = change is not None and change.merge is not None and change.merge.base == record.base
        return same and record.state == state_name(states.get(record.workspace_id))

    return [record for record in records if is_current(record)]


def forecast_notes(
    tx: Transaction, repo: RepoRef, runs: Sequence[Run]
) -> Mapping[str, Sequence[ForecastNote]]:
    """Return what is known of the plans of a change together with others, by the ids of their runs."""
    by_id = {run.id: run for run in runs}
    found: dict[str, list[ForecastNote]] = {}
    known = [record for record in tx.forecasts.of_plans(by_id) if record.result is not None]
    for record in current_forecasts(tx, repo, known):
        for plan in (record.first_plan, record.second_plan):
            if plan in by_id and record.result is not None:
                elsewhere = by_id[plan].workspace_id != record.workspace_id
                place = tx.workspaces.get(record.workspace_id).name if elsewhere else ""
                found.setdefault(plan, []).append(ForecastNote(record.other(plan), record.result, place))
    return found


def said_of(notes: Sequence[ForecastNote], words: ForgeWords) -> str:
    """Say it in one line, what matters first. The names of resources are not escaped."""
    matters = [note for note in notes if not note.result.independent]
    parts = [_in(note.place, note.result.words(words.numbered(note.other))) for note in matters]
    same: dict[str, list[str]] = {}
    for note in notes:
        if note.result.independent:
            same.setdefault(note.place, []).append(words.numbered(note.other))
    parts += [_in(place, Forecast().words(", ".join(others))) for place, others in same.items()]
    shown = [parts[0]]
    for part in parts[1:]:
        if len("; ".join((*shown, part))) > _MOST_WORDS:
            break
        shown.append(part)
    more = f"; {len(parts) - len(shown)} more on its page" if len(parts) > len(shown) else ""
    return "; ".join(shown) + more


def _in(place: str, words: str) -> str:
    return f"in {place}: {words}" if place else words
