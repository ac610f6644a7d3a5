"""The page of a change: its workspaces together, what an apply needs, and what differs between plans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bot.domain.changes.apply_order import ApplyPlace, place_of, step_in_order
from bot.domain.errors import Conflict, EngineError, ForgeError, IllegalMove, Invalid, NotFound
from bot.domain.events import Change
from bot.domain.people.permissions import Person
from bot.domain.reports import headlines
from bot.domain.reports.speaking_run import is_of_latest_commit, speaking_run, speaking_run_of_change
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import StageStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.forecasts.notes import forecast_notes, said_of
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.reports.derive import next_step
from bot.services.runs.change_runs import runs_of_merge
from bot.services.runs.merge_results import why_plan_outdated
from bot.services.runs.queue_position import why_it_waits
from bot.web.changes import needs, order_graph, plan_deltas
from bot.web.changes.context import (
    ApprovalRow,
    ChangePage,
    ChangeWorkspace,
    CommitRow,
    Delta,
)
from bot.web.changes.effects import EffectLists
from bot.web.changes.needs import Asked, ChangeNeeds
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Fact, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.access import form_token
from bot.web.request.services import services
from bot.web.runs import decisions

RUNS_SHOWN = 12

blueprint = Blueprint("changes", __name__)

_MOST_CONFLICTS = 20
_APPROVALS = {
    ApprovalState.STANDING: Badge("Stands", Tone.GOOD),
    ApprovalState.KEPT: Badge("Waits", Tone.WAIT),
    ApprovalState.USED: Badge("Used", Tone.GOOD),
    ApprovalState.FALLEN: Badge("Out of date", Tone.OFF),
}


@dataclass(frozen=True)
class _Known:
    """Everything of a change that its page is built from."""

    record: ChangeRecord
    workspaces: tuple[Workspace, ...]
    runs: Mapping[str, Sequence[Run]]
    asked: Asked
    person: Person
    order: Order


@blueprint.get("/changes/<change_id>")
def show(change_id: str) -> str:
    """Show a change. With `?ask=forge` the forge is asked for what an apply needs."""
    return _page(change_id)


@blueprint.get("/changes/<change_id>/needs")
def needed(change_id: str) -> str:
    """Give what applies need, as the forge knows it: the part of the page that comes after it."""
    record, workspaces = _found(change_id)
    asked = needs.ask(record.change, workspaces)
    with services().store.reading() as tx:
        found = _runs(tx, record, workspaces)
        known = _Known(record, workspaces, found, asked, access.person_asking(), Order(workspaces))
        theirs = ChangeNeeds(tx, record, asked, known.person)
        built = [_workspace(tx, known, theirs, each) for each in workspaces]
    token, kind = form_token(known.person), elements.words_of(record.change.repo).change
    return render_template("change_all_needs.html", workspaces=built, form_token=token, kind=kind)


@blueprint.post("/changes/<change_id>/apply")
def apply(change_id: str) -> Response:
    """Apply the plan that the page shows for a workspace, by the rules of `/apply`."""
    name, code = (request.form.get(field, "")[:300] for field in ("workspace", "code"))
    try:
        _check_name(change_id, name, request.form.get("named", "")[:300])
        services().page_applies.apply(name, change_id, code, access.person_asking())
    except Invalid as error:
        return make_response(_page(change_id, harmless(str(error))), 400)
    except (IllegalMove, Conflict) as error:
        return make_response(_page(change_id, harmless(str(error))), 409)
    except ForgeError as error:
        return make_response(_page(change_id, f"Can't reach the forge: {harmless(str(error))}"), 503)
    return redirect(url_for(".show", change_id=change_id), 303)


def _check_name(change_id: str, name: str, named: str) -> None:
    """Check the name that a person typed, if the plan on the page destroys everything. Raises Invalid."""
    record, workspaces = _found(change_id)
    with services().store.reading() as tx:
        found = _runs(tx, record, workspaces)
    for workspace in (each for each in workspaces if each.name == name):
        run = speaking_run_of_change(record.change, found.get(workspace.id, ()))
        if run is not None:
            decisions.check_name(run, workspace, named)


def _page(change_id: str, problem: str = "") -> str:
    person = access.person_asking()
    record, workspaces = _found(change_id)
    asks = needs.asks_forge(record.change, workspaces)
    asking = asks and request.args.get("ask") == "forge"
    asked = needs.ask(record.change, workspaces) if asking else needs.unasked(record.change)
    with services().store.reading() as tx:
        known = _Known(record, workspaces, _runs(tx, record, workspaces), asked, person, Order(workspaces))
        lists, theirs = EffectLists(), ChangeNeeds(tx, record, asked, person)
        said = _forecasts(tx, known)
        built = tuple(
            replace(
                _workspace(tx, known, theirs, each),
                effects=lists.of(_speaking(known, each)),
                forecast=said.get(each.id, ""),
            )
            for each in workspaces
        )
        whole = [(each.name, _speaking(known, each), "") for each in workspaces]
    change, words = record.change, elements.words_of(record.change.repo)
    live = any(not run.final for runs in known.runs.values() for run in runs) or theirs.waits_for_comment
    number = words.numbered(change.number)
    page = ChangePage(
        chrome=elements.chrome(f"{number} {change.title}", person, "workspaces", live),
        number=number,
        title=harmless(wording.first_line(change.title)) or number,
        url=elements.web_address(change.url),
        state=_state(change),
        words=_line(headlines.aggregate(whole, record.note, headlines.why_ended(change))[1]),
        note=harmless(record.note),
        facts=_page_facts(record),
        action=url_for(".show", change_id=record.id),
        needs_url=_needs_url(known, theirs.shown) if asks and not asking else "",
        problem=problem,
        workspaces=built,
        commits=_commits(known),
        kind=words.change,
        order=order_graph.build(workspaces, {each.id: _speaking(known, each) for each in workspaces}),
    )
    return render_template("change.html", page=page)


@blueprint.get("/workspaces/<path:name>/changes/<number>")
def of_workspace(name: str, number: str) -> Response:
    """Lead to the change of a workspace's repository that has this number. Raises NotFound."""
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        known = number.isascii() and number.isdigit() and len(number) < 10
        record = tx.changes.numbered(workspace.repo, int(number)) if known else None
    if record is None:
        raise NotFound(f"there is no change {number[:20]} that touched {name}")
    return redirect(url_for(".show", change_id=record.id), 303)


def _found(change_id: str) -> tuple[ChangeRecord, tuple[Workspace, ...]]:
    with services().store.reading() as tx:
        record = tx.changes.get(change_id)
        return record, _workspaces(tx, record)


def _needs_url(known: _Known, shown: Collection[str]) -> str:
    runs = [run for found in known.runs.values() for run in found]
    return url_for(".needed", change_id=known.record.id, of=needs.signature(known.record, runs, shown))


def _workspaces(tx: Transaction, record: ChangeRecord) -> tuple[Workspace, ...]:
    """Workspaces that the latest commit touches, and workspaces with runs of an earlier commit."""
    found = tx.runs.find(_query(record))
    ids = dict.fromkeys([*record.workspace_ids, *(run.workspace_id for run in found)])
    return tuple(sorted((tx.workspaces.get(each) for each in ids), key=lambda workspace: workspace.name))


def _query(record: ChangeRecord) -> RunQuery:
    return RunQuery(repo=record.change.repo, change_number=record.change.number, limit=None)


def _runs(tx: Transaction, record: ChangeRecord, workspaces: Sequence[Workspace]) -> dict[str, Sequence[Run]]:
    """The runs of each workspace, newest first, runs after the merge included."""
    found: dict[str, list[Run]] = {each.id: [*runs_of_merge(tx, each, record.change)] for each in workspaces}
    for run in tx.runs.find(_query(record)):
        found[run.workspace_id].append(run)
    return {key: runs for key, runs in found.items() if runs}


def _speaking(known: _Known, workspace: Workspace) -> Run | None:
    return speaking_run_of_change(known.record.change, known.runs.get(workspace.id, ()))


def _forecasts(tx: Transaction, known: _Known) -> dict[str, str]:
    """Say for each workspace what the change does together with other open ones."""
    change = known.record.change
    runs = [run for each in known.workspaces if (run := _speaking(known, each))] if change.open else []
    found, words = forecast_notes(tx, change.repo, runs), elements.words_of(change.repo)
    return {run.workspace_id: harmless(said_of(found[run.id], words)) for run in runs if run.id in found}


def _workspace(tx: Transaction, known: _Known, theirs: ChangeNeeds, workspace: Workspace) -> ChangeWorkspace:
    run = _speaking(known, workspace)
    place = _place(known, workspace, run) if run else ApplyPlace()
    built = _standing(tx, known, workspace, run, place)
    return replace(built, needs=theirs.of(workspace, run, built.next_step, place))


def _standing(
    tx: Transaction, known: _Known, workspace: Workspace, run: Run | None, place: ApplyPlace
) -> ChangeWorkspace:
    record, mine = known.record, known.runs.get(workspace.id, ())
    words = elements.words_of(workspace.repo)
    waits = why_it_waits(tx, workspace, run) if run else ""
    outdated = run is not None and not is_of_latest_commit(record.change, run)
    older = "; that was an older commit" if outdated else ""
    if run is not None and run.final and (moved := why_plan_outdated(record, workspace, run)):
        outdated, older = True, f"; outdated: {moved}"
    open_ = record.change.open or (run is not None and run.change_number is None)
    step = _next_step(known, workspace, run, place) if run and open_ and not outdated else ""
    return ChangeWorkspace(
        link=Link(harmless(workspace.name), elements.workspace_url(workspace.name)),
        anchor=workspace.id,
        badge=wording.badge_of(run) if run else None,
        counts=wording.chips(run.counts) if run else None,
        run=Link(run.id, elements.run_url(run.id)) if run else None,
        words=_line(headlines.headline(run, waits)[1] + older) if run else "It has no run here yet.",
        why=harmless(dict(record.reasons).get(workspace.name, "")),
        next_step=harmless(step),
        approvals=tuple(map(_approval, tx.approvals.of_change(workspace.id, record.change.number))),
        delta=_delta(tx, workspace, mine),
        runs=tuple(elements.run_row(each, words) for each in mine[:RUNS_SHOWN]),
        more_runs=len(mine) > RUNS_SHOWN,
    )


def _place(known: _Known, workspace: Workspace, run: Run) -> ApplyPlace:
    """Return what is applied before a workspace, if its next apply has an order."""
    change = known.record.change
    ordered = run.plan_only and not run.modes.destroy and workspace.merging.apply_when.before
    if not (change.open and ordered):
        return ApplyPlace()
    return place_of(workspace, change, known.order, lambda other: known.runs.get(other.id, ()))


def _next_step(known: _Known, workspace: Workspace, run: Run, place: ApplyPlace) -> str:
    """Return the next command of a workspace. It names what is applied first, too."""
    steps = {workspace.id: next_step(workspace, run)}
    steps |= {each.id: next_step(each, it) for each in place.first if (it := _speaking(known, each))}
    return step_in_order(place, workspace, steps)


def _approval(record: ApprovalRecord) -> ApprovalRow:
    now = services().clock.now()
    return ApprovalRow(
        badge=_APPROVALS[record.state],
        by=harmless(record.by),
        commit=wording.short(record.commit),
        when=wording.moment(record.at, now),
        why=harmless(record.why),
    )


def _delta(tx: Transaction, workspace: Workspace, mine: Sequence[Run]) -> Delta:
    plans = [run for run in mine if run.plan_status is StageStatus.FINISHED]
    wanted = request.args.get("workspace", "") == workspace.name
    before, now = (request.args.get(name, "") if wanted else "" for name in ("before", "now"))
    try:
        return plan_deltas.build(tx, plans, before, now)
    except EngineError as error:
        return plan_deltas.unreadable(plans, before, now, harmless(str(error)))


def _line(text: str) -> str:
    return harmless(wording.first_line(" ".join(text.split()), 500))


def _state(change: Change) -> Badge:
    if change.merged:
        return Badge("Merged", Tone.WORK)
    if not change.open:
        return Badge("Closed", Tone.OFF)
    return Badge("Draft", Tone.WAIT) if change.draft else Badge("Open", Tone.GOOD)


def _page_facts(record: ChangeRecord) -> tuple[Fact, ...]:
    change, merge = record.change, record.merge
    if merge is None or not change.open:
        merged: tuple[Fact, ...] = ()
    elif merge.conflicting:
        files = ", ".join(filter(None, merge.conflicts[:_MOST_CONFLICTS]))
        more = len(merge.conflicts) - _MOST_CONFLICTS
        said = f"{headlines.conflict_headline(merge)[1]}{f' ({files})' if files else ''}"
        merged = (Fact("Merge", Link(harmless(said + (f" and {more} more files" if more > 0 else "")))),)
    else:
        merged = (Fact("On top of", Link(harmless(merge.top))),)
    return (
        Fact("Repository", Link(harmless(change.repo.path))),
        Fact("By", Link(harmless(change.author))),
        Fact("From", Link(harmless(change.head_branch) + (", a fork" if change.from_fork else ""))),
        Fact("Into", Link(harmless(change.base_branch))),
        Fact("Latest commit", elements.commit_link(change.repo, change.head_sha)),
        *merged,
    )


def _commits(known: _Known) -> tuple[CommitRow, ...]:
    """Each commit that made runs, newest first, with the run that speaks for each workspace there."""
    change, now = known.record.change, services().clock.now()
    every = sorted((run for runs in known.runs.values() for run in runs), key=lambda run: run.created_at)
    found = []
    for commit in dict.fromkeys(run.commit for run in reversed(every)):
        states, began = [], None
        for workspace in known.workspaces:
            there = [run for run in known.runs.get(workspace.id, ()) if run.commit == commit]
            run = speaking_run(there)
            if run is not None:
                states.append(
                    (Link(harmless(workspace.name), elements.run_url(run.id)), wording.badge_of(run))
                )
                oldest = there[-1].created_at
                began = min(began, oldest) if began else oldest
        assert began is not None, "a commit comes from a run"
        link, is_head = elements.commit_link(change.repo, commit), commit == change.head_sha
        found.append(CommitRow(link, is_head, tuple(states), wording.moment(began, now)))
    return tuple(found)
