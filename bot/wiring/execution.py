"""What judges plans by policies, and what advances runs."""

from __future__ import annotations

from bot.config import Config
from bot.services.approvals.before_apply import BeforeApply
from bot.services.approvals.our_comment import OurComments
from bot.services.execution.advance import Execution
from bot.services.execution.earlier_plans import EarlierPlans
from bot.services.execution.engine_jobs import EngineJobs
from bot.services.execution.plan_reuse import PlanReuse
from bot.services.execution.turns import Turns
from bot.services.identity.keys import IssuerKeys
from bot.services.identity.tokens import IdentityTokens
from bot.services.outbox.ledger import Ledger
from bot.services.policies.check import PolicyChecker
from bot.services.policies.replay import PolicyReplay
from bot.services.policies.set_versions import SetVersions
from bot.services.run_tasks.ask import RunTasks
from bot.services.run_tasks.callbacks import TaskCallbacks
from bot.services.run_tasks.tokens import TaskTokens
from bot.services.runs.transitions import Transitions
from bot.services.states.backend import StateService
from bot.wiring.foundation import Foundation
from bot.wiring.world import World


def run_tasks_of(config: Config, world: World) -> tuple[RunTasks, TaskCallbacks]:
    """Build what asks run tasks, and what takes their answers."""
    store, clock = world.store, world.clock
    tokens = TaskTokens(store, clock, world.vault)
    tasks, name = config.run_tasks.tasks, config.organization.name
    asks = RunTasks(store, clock, world.task_caller, tokens, world.addresses, tasks, name)
    return asks, TaskCallbacks(store, tokens)


def judging_of(
    config: Config, world: World, transitions: Transitions, run_tasks: RunTasks
) -> tuple[PolicyChecker, PolicyReplay]:
    """Build what judges plans by policies."""
    store, clock, engine, sets = world.store, world.clock, world.policies, config.policy_sets
    versions = SetVersions(store, clock, world.forges, world.set_files)
    return (
        PolicyChecker(store, engine, versions, sets, transitions, run_tasks),
        PolicyReplay(
            store, clock, engine, versions, sets, transitions, world.limits, config.policies.replayed
        ),
    )


def execution_of(
    config: Config,
    world: World,
    foundation: Foundation,
    states: StateService,
    policies: PolicyChecker,
    keys: IssuerKeys,
    run_tasks: RunTasks,
) -> Execution:
    """Build what advances runs."""
    store, clock, limits, engine = world.store, world.clock, world.limits, world.engine
    transitions, identities = foundation.transitions, foundation.identities
    identity = IdentityTokens(store, clock, keys, world.addresses, limits)
    jobs = EngineJobs(store, world.forges, states, world.addresses, identity, identities)
    plan_reuse = PlanReuse(
        clock, transitions, limits.plan_age, EarlierPlans(store, world.forges, world.merges)
    )
    ours = OurComments(store, clock, world.forges, Ledger(store, clock), transitions)
    before = BeforeApply(
        store,
        clock,
        world.forges,
        foundation.requirement_checker,
        foundation.approvers,
        transitions,
        ours,
        identities,
        foundation.merges,
    )
    return Execution(
        store,
        clock,
        world.vault,
        engine,
        jobs,
        transitions,
        limits,
        policies,
        plan_reuse,
        before,
        Turns(store, clock, config.pool),
        run_tasks,
    )
