"""The services that several others are built from."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config import Config
from bot.services.approvals.approver import Approvers
from bot.services.approvals.consequences import CONSEQUENCES
from bot.services.approvals.requirements import RequirementChecker
from bot.services.changes.discovery import Discovery
from bot.services.merging.merge_results import ChangeMerges
from bot.services.notifications.events import RunEvents
from bot.services.people.identities import Identities
from bot.services.people.roles import Roles
from bot.services.policies.override import PolicyOverrides
from bot.services.policies.team_owners import TeamOwners
from bot.services.reports.posts import PostBuilder
from bot.services.runs.controls import RunControls
from bot.services.runs.create import RunFactory
from bot.services.runs.locks import WorkspaceLocks
from bot.services.runs.transitions import Transitions
from bot.wiring.world import World


@dataclass(frozen=True)
class Foundation:
    """What deliveries, runs and pages are built on."""

    transitions: Transitions
    run_factory: RunFactory
    post_builder: PostBuilder
    overrides: PolicyOverrides
    controls: RunControls
    workspace_locks: WorkspaceLocks
    requirement_checker: RequirementChecker
    identities: Identities
    roles: Roles
    approvers: Approvers
    merges: ChangeMerges


def foundation_of(config: Config, world: World) -> Foundation:
    """Build what the others need."""
    store, clock, forges = world.store, world.clock, world.forges
    tells = RunEvents(config.notifications.destinations).consequence
    transitions = Transitions(store, clock, world.dispatch, (*CONSEQUENCES, tells), world.meter, world.spans)
    factory = RunFactory(clock, transitions)
    overrides = PolicyOverrides(clock, transitions, config.policy_sets, TeamOwners(clock, forges))
    checker = RequirementChecker(store, forges, clock)
    identities = Identities(store, clock, forges)
    roles = Roles(forges, clock, config.owners, identities, config.organization.member)
    discovery = Discovery(config.discover, world.engine, forges)
    return Foundation(
        transitions,
        factory,
        PostBuilder(world.vault, world.texts),
        overrides,
        RunControls(store, clock, transitions, factory, world.limits.cool_off, overrides, checker),
        WorkspaceLocks(store, clock, transitions),
        checker,
        identities,
        roles,
        Approvers(identities, roles),
        ChangeMerges(store, forges, world.merges, discovery.likes, transitions),
    )
