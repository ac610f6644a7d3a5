"""Builds the page of a run from the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import url_for

from bot.domain.people.permissions import Action, Person
from bot.domain.runs.actions import force_cancel_in
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.plan_text import KeptText
from bot.services.plans.snapshot import own_variables_of
from bot.services.plans.views import PlanView
from bot.services.ports import Transaction
from bot.services.runs.queue_position import why_it_waits
from bot.web.page import elements, wording
from bot.web.page.layout import Fact, Link
from bot.web.page.output import harmless
from bot.web.request.access import form_token
from bot.web.request.services import services
from bot.web.runs import cards, decisions, losses, policy_card, resource_tree
from bot.web.runs import timeline as timelines
from bot.web.runs.cards import Outputs
from bot.web.runs.context import RunPage
from bot.web.runs.policy_card import Judgement
from bot.web.runs.resource_tree import ResourceFilter


@dataclass(frozen=True)
class Found:
    """Everything of a run that its page is built from, read in one transaction."""

    run: Run
    workspace: Workspace
    waits: str
    timeline: Sequence[RunEvent]
    outputs: Outputs
    change_url: str
    policies: Judgement
    overriders: str
    signature: str
    own_variables: Sequence[Variable] = ()

    @property
    def banner_facts(self) -> decisions.BannerFacts:
        """What the banners are about."""
        return decisions.BannerFacts(
            self.run, self.workspace, self.waits, self.overriders, self.timeline, self.policies.checks
        )


@dataclass(frozen=True)
class Extra:
    """Further parts of the page: facts from elsewhere, or what this person has just done."""

    view: PlanView | None = None
    text: KeptText | None = None
    wish: ResourceFilter = field(default_factory=ResourceFilter)
    may_override: bool = False
    problem: str = ""


def find(tx: Transaction, run_id: str, *, bare: bool = False) -> Found:
    """Read a run for its page, without output if the page has it already. Raises NotFound."""
    run = tx.runs.get(run_id)
    workspace = tx.workspaces.get(run.workspace_id)
    record = None
    if run.change_number is not None:
        record = tx.changes.numbered(workspace.repo, run.change_number)
    timeline = tx.runs.timeline(run.id)
    waits = why_it_waits(tx, workspace, run)
    return Found(
        run=run,
        workspace=workspace,
        waits=waits,
        timeline=timeline,
        outputs=cards.read_outputs(tx, run, bare=bare),
        change_url=record.change.url if record else "",
        policies=policy_card.judgement(tx, run.id),
        overriders=services().controls.overriders(tx, run),
        signature=signature(run, timeline, waits),
        own_variables=own_variables_of(tx, run.id),
    )


def signature(run: Run, timeline: Sequence[RunEvent], waits: str) -> str:
    """Return what changes whenever the page does, apart from the output."""
    # A force-cancel becomes possible as time passes.
    left = force_cancel_in(run, services().clock.now(), services().config.cool_off)
    text = f"{run.version} {len(timeline)} {waits} {left == 0}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def build(found: Found, person: Person, extra: Extra = Extra()) -> RunPage:
    """Return the run's page for a person."""
    run, now = found.run, services().clock.now()
    badge, message = wording.badge_of(run), elements.message_of(run)
    resources = resource_tree.build(run.id, extra.view, extra.wish) if extra.view else None
    shown, every = timelines.build(found.timeline, now)
    cursor = str(found.outputs.cursor(found.signature))
    return RunPage(
        chrome=elements.chrome(f"{badge.label} · {message} · {found.workspace.name}", person, "workspaces"),
        id=run.id,
        message=message,
        badge=badge,
        kind=wording.kind_of(run),
        how=harmless(wording.how_started(run, elements.words_of(found.workspace.repo))),
        when=wording.moment(run.created_at, now),
        workspace=Link(found.workspace.name, elements.workspace_url(found.workspace.name)),
        facts=(*_facts(found, person), *_own_variables(found, person)),
        problem=extra.problem,
        banners=decisions.banners(found.banner_facts, person, extra.may_override),
        losses=losses.build(run.id, extra.view) if extra.view else None,
        asks=decisions.asks(run, found.workspace, person, extra.may_override),
        counts=wording.chips(run.counts),
        nothing_to_do=run.has_changes is False,
        times=cards.times(found.timeline, now),
        plan=cards.stage_card(run, "plan", found.timeline, found.outputs, now),
        plan_text=cards.plan_text(run.id, extra.text),
        resources=resources,
        policies=policy_card.card(run, found.policies),
        apply=None if run.plan_only else cards.stage_card(run, "apply", found.timeline, found.outputs, now),
        progress=cards.progress_bar(found.outputs.progress),
        timeline=shown,
        every=every,
        comment_url=url_for("runs.comment", run_id=run.id) if person.may(Action.COMMENT) else "",
        form_token=form_token(person),
        once=secrets.token_hex(8),
        final=run.final,
        reloads=not run.final and not (run.awaits_confirmation or found.overriders),
        cursor=cursor,
        events_url=url_for("live.events", run_id=run.id),
        news_url=url_for("live.news", run_id=run.id),
    )


def _own_variables(found: Found, person: Person) -> tuple[Fact, ...]:
    """Return the run's own variables. Their values are for people who may set the workspace's."""
    shown = person.may(Action.EDIT_VARIABLES)
    texts = [
        f"{each.key} = {each.value}" if shown and not each.sensitive else each.key
        for each in found.own_variables
    ]
    return (Fact("Variables of this run", Link(harmless(", ".join(texts)))),) if texts else ()


def _configuration(found: Found, person: Person) -> list[Fact]:
    run, repo = found.run, found.workspace.repo
    if run.uploaded:
        # An upload may have secrets, as the state has.
        url = url_for("runs.upload", run_id=run.id) if person.may(Action.EDIT_STATE) else ""
        return [Fact("Configuration", Link("upload", url))]
    hook = services().hooks.get(repo.forge)
    commit_url = hook.commit_url(repo, run.commit) if hook else ""
    return [
        Fact("Commit", Link(wording.short(run.commit), elements.web_address(commit_url))),
        Fact("Repository", Link(repo.path)),
        Fact("Branch", Link(harmless(run.branch))),
    ]


def _facts(found: Found, person: Person) -> tuple[Fact, ...]:
    run, repo = found.run, found.workspace.repo
    facts = _configuration(found, person)
    if run.merge is not None:
        facts += [
            Fact("On top of", Link(harmless(run.merge.top))),
            Fact("Merge", Link(wording.short(run.merge.commit))),
        ]
    if run.change_number is not None:
        words = elements.words_of(repo)
        number = Link(words.numbered(run.change_number), elements.web_address(found.change_url))
        together = Link("all its workspaces", elements.change_url(found.workspace, run.change_number))
        facts[:0] = [Fact(words.title, number), Fact("Together", together)]
    if run.approval is not None:
        facts.append(Fact("Approved by", Link(run.approval.by)))
    if run.confirmed_by:
        facts.append(Fact("Confirmed by", Link(run.confirmed_by)))
    if run.modes.target_addrs:
        facts.append(Fact("Only", Link(harmless(", ".join(run.modes.target_addrs)))))
    if run.modes.replace_addrs:
        facts.append(Fact("Replaces", Link(harmless(", ".join(run.modes.replace_addrs)))))
    version = run.engine_version or found.workspace.engine_version
    facts.append(Fact("Engine", Link(f"{found.workspace.engine.value} {version}".strip())))
    return tuple(facts)
