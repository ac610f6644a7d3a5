"""Builds what handles deliveries, and what follows from them."""

from __future__ import annotations

from bot.config import Config
from bot.services.approvals.carry_over import CarryOver
from bot.services.approvals.continue_after_merge import ContinueAfterMerge
from bot.services.approvals.our_comment import OurComments
from bot.services.changes.base_moves import BaseMoves
from bot.services.changes.change_log import ChangeLog
from bot.services.changes.discovery import Discovery
from bot.services.changes.merge_queue import MergeQueue
from bot.services.changes.other_previews import OtherPreviews
from bot.services.changes.used_modules import UsedModules
from bot.services.comments.apply import ApplyComments
from bot.services.comments.dispatch import Comments
from bot.services.comments.override import OverrideComments
from bot.services.comments.page_applies import PageApplies
from bot.services.comments.run_commands import RunComments
from bot.services.comments.why import WhyComments
from bot.services.comments.why_reports import WhyReports
from bot.services.deliveries.intake import Intake
from bot.services.deliveries.new_outputs import NewOutputs
from bot.services.deliveries.pushes import Pushes
from bot.services.deliveries.run_triggers import RunTriggers
from bot.services.merging.applied_before import AppliedBefore
from bot.services.outbox.ledger import Ledger
from bot.services.policies.set_changes import PolicyChanges
from bot.wiring.foundation import Foundation
from bot.wiring.world import World


def intake_of(config: Config, world: World, foundation: Foundation) -> Intake:
    """Build what handles deliveries."""
    factory, transitions, checker = (
        foundation.run_factory,
        foundation.transitions,
        foundation.requirement_checker,
    )
    store, clock, forges = world.store, world.clock, world.forges
    discovery = Discovery(config.discover, world.engine, forges)
    policy_changes = PolicyChanges(clock, config.policy_sets, on=config.policies.replayed > 0)
    ledger = Ledger(store, clock)
    used_modules = UsedModules(world.engine, forges)
    change_log = _change_log(world, foundation, ledger, discovery, policy_changes, used_modules)
    comments = Comments(
        store,
        forges,
        ledger,
        change_log,
        foundation.post_builder,
        transitions,
        _applies(world, foundation),
        OverrideComments(transitions, foundation.overrides),
        RunComments(clock, factory, transitions, foundation.controls, foundation.workspace_locks),
        WhyComments(WhyReports(checker, world.addresses)),
        checker,
        policy_changes,
        foundation.roles,
        clock,
        world.limits,
    )
    return Intake(
        store,
        clock,
        world.dispatch,
        ledger,
        world.parse,
        change_log,
        _pushes(world, foundation, ledger, discovery, used_modules),
        comments,
        _run_triggers(world, foundation, ledger),
        MergeQueue(store, forges, discovery, factory, ledger, transitions, used_modules),
        OurComments(store, clock, forges, ledger, transitions),
        foundation.identities,
        world.meter,
    )


def _pushes(
    world: World, foundation: Foundation, ledger: Ledger, discovery: Discovery, used_modules: UsedModules
) -> Pushes:
    return Pushes(
        world.store,
        world.clock,
        ledger,
        world.forges,
        discovery,
        foundation.run_factory,
        foundation.transitions,
        foundation.identities,
        AppliedBefore(world.store, world.forges, world.merges),
        used_modules,
    )


def _change_log(
    world: World,
    foundation: Foundation,
    ledger: Ledger,
    discovery: Discovery,
    policy_changes: PolicyChanges,
    used_modules: UsedModules,
) -> ChangeLog:
    return ChangeLog(
        world.store,
        world.clock,
        ledger,
        world.forges,
        discovery,
        foundation.run_factory,
        foundation.transitions,
        policy_changes,
        foundation.merges,
        used_modules,
        foundation.requirement_checker,
    )


def page_applies_of(world: World, foundation: Foundation) -> PageApplies:
    """Build what applies changes from their pages."""
    checker, transitions = foundation.requirement_checker, foundation.transitions
    applies = _applies(world, foundation)
    return PageApplies(world.store, world.clock, world.forges, applies, checker, transitions)


def _applies(world: World, foundation: Foundation) -> ApplyComments:
    checker, transitions = foundation.requirement_checker, foundation.transitions
    factory, addresses = foundation.run_factory, world.addresses
    return ApplyComments(world.clock, factory, transitions, checker, world.limits, addresses)


def _run_triggers(world: World, foundation: Foundation, ledger: Ledger) -> RunTriggers:
    store, clock, forges = world.store, world.clock, world.forges
    factory, transitions, checker = (
        foundation.run_factory,
        foundation.transitions,
        foundation.requirement_checker,
    )
    carry_over = CarryOver(store, clock, ledger, factory, transitions)
    siblings = OtherPreviews(store, ledger, factory, transitions, world.limits.siblings)
    continuing = ContinueAfterMerge(store, clock, forges, ledger, checker, foundation.approvers, transitions)
    limit = world.limits.siblings
    base_moves = BaseMoves(store, clock, forges, ledger, foundation.merges, factory, transitions, limit)
    return RunTriggers(
        store,
        forges,
        ledger,
        factory,
        transitions,
        carry_over,
        siblings,
        continuing,
        base_moves,
        NewOutputs(factory, transitions, limit),
    )
