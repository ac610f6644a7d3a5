"""The composition root: builds the services from a World and a Config, by plain constructor calls.

The program passes the real World. Tests pass a World of fakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.clock import SystemClock
from bot.config import Config
from bot.dispatch import RqDispatch
from bot.domain.workspaces.isolation import Isolation
from bot.forges.kinds import KINDS, parser
from bot.rendering import Rendering
from bot.services.approvals.before_apply import BeforeApply
from bot.services.approvals.our_comment import OurComments
from bot.services.approvals.requirements import RequirementChecker
from bot.services.comments.page_applies import PageApplies
from bot.services.comments.why_reports import WhyReports
from bot.services.configurations.abandoned_runs import AbandonedRuns
from bot.services.configurations.api_runs import ApiRuns
from bot.services.configurations.uploads import Uploads
from bot.services.deliveries.catch_up import CatchUp
from bot.services.deliveries.failed_deliveries import FailedDeliveryChecks
from bot.services.deliveries.intake import Intake
from bot.services.deliveries.redeliver import Redelivery
from bot.services.drift.checks import DriftChecks
from bot.services.execution.advance import Execution
from bot.services.execution.earlier_plans import EarlierPlans
from bot.services.execution.engine_jobs import EngineJobs
from bot.services.execution.plan_reuse import PlanReuse
from bot.services.forecasts.make import ForecastJob
from bot.services.identity.keys import IssuerKeys
from bot.services.identity.tokens import IdentityTokens
from bot.services.notifications.deliver import NotificationDelivery
from bot.services.notifications.events import Reminders
from bot.services.outbox.ledger import Ledger
from bot.services.people.forge_sign_in import ForgeSignIn
from bot.services.people.identities import Identities
from bot.services.people.roles import Roles
from bot.services.people.sessions import Sessions
from bot.services.people.tokens import Tokens
from bot.services.policies.check import PolicyChecker
from bot.services.policies.replay import PolicyReplay
from bot.services.policies.set_versions import SetVersions
from bot.services.ports import (
    Addresses,
    Clock,
    Dispatch,
    Engine,
    Forge,
    ForgeChecks,
    ForgeKinds,
    Hook,
    Meter,
    PolicyEngine,
    Queues,
    Store,
    Vault,
)
from bot.services.reports.deliver import ReportDelivery
from bot.services.reports.derive import ReportBuilder
from bot.services.reports.posts import PostBuilder
from bot.services.runs.abandoned_locks import AbandonedLocks
from bot.services.runs.controls import RunControls
from bot.services.runs.create import RunFactory
from bot.services.runs.locks import WorkspaceLocks
from bot.services.runs.queue_plan import ManualRuns
from bot.services.runs.removed_workspaces import RemovedWorkspaces
from bot.services.runs.transitions import Transitions
from bot.services.states.backend import StateService
from bot.services.states.history import StateVersions
from bot.services.states.kept_aside import KeptStates
from bot.services.states.pushes import StatePushes
from bot.services.states.resource_index import ResourceIndex
from bot.services.states.shared_states import SharedStates
from bot.services.upkeep.retention import RetentionJob
from bot.services.upkeep.sweep import Sweep
from bot.services.variables.api_sets import ApiVariableSets
from bot.services.variables.api_variables import ApiVariables
from bot.services.variables.editor import VariableEditor
from bot.services.workspaces.api_workspaces import ApiWorkspaces
from bot.services.workspaces.projects import Projects
from bot.shared_counts import RedisMeter
from bot.shared_tokens import RedisTokens
from bot.store import SqlStore
from bot.terraform.programs.binaries import Binaries
from bot.terraform.repository.set_files import SetFolders
from bot.terraform.sandbox import Sandbox
from bot.vault import FernetVault
from bot.wiring.catching_up import catching_up
from bot.wiring.deliveries import intake_of, page_applies_of
from bot.wiring.engine import binaries_of, engine_of, sandbox_of
from bot.wiring.foundation import Foundation, foundation_of
from bot.wiring.notifications import messengers_of, notifications_of
from bot.wiring.policies import policy_engine_of
from bot.wiring.world import World


@dataclass(frozen=True)
class Services:
    """Everything that a Plangate process works with."""

    config: Config
    addresses: Addresses
    store: Store
    clock: Clock
    vault: Vault
    dispatch: Dispatch
    queues: Queues
    meter: Meter
    engine: Engine
    policies: PolicyEngine
    binaries: Binaries
    sandbox: Sandbox
    forges: Mapping[str, Forge]
    forge_checks: Mapping[str, ForgeChecks]
    hooks: Mapping[str, Hook]
    transitions: Transitions
    post_builder: PostBuilder
    run_factory: RunFactory
    states: StateService
    shared_states: SharedStates
    state_versions: StateVersions
    state_pushes: StatePushes
    controls: RunControls
    variables: VariableEditor
    workspace_locks: WorkspaceLocks
    manual_runs: ManualRuns
    requirement_checker: RequirementChecker
    page_applies: PageApplies
    why_reports: WhyReports
    roles: Roles
    identities: Identities
    sessions: Sessions
    tokens: Tokens
    redelivery: Redelivery
    catch_up: CatchUp
    failed_deliveries: FailedDeliveryChecks
    forge_sign_in: ForgeSignIn
    intake: Intake
    execution: Execution
    forecasts: ForecastJob
    drift_checks: DriftChecks
    notifications: NotificationDelivery
    policy_replay: PolicyReplay
    report_delivery: ReportDelivery
    sweep: Sweep
    issuer_keys: IssuerKeys
    api_workspaces: ApiWorkspaces
    uploads: Uploads
    api_runs: ApiRuns
    api_variables: ApiVariables
    api_sets: ApiVariableSets
    projects: Projects
    engine_versions: Binaries


def configured(environ: Mapping[str, str], kinds: ForgeKinds = KINDS) -> Config:
    """Read the configuration, with every kind of forge. Raises ConfigError."""
    return Config.from_env(environ, kinds)


def build(config: Config) -> Services:
    """Build the services for production. Opens no connection yet. Raises ConfigError."""
    return build_services(world_of(config), config)


def build_services(world: World, config: Config) -> Services:
    """Build the services from a World. Tests pass a World of fakes."""
    store, clock, vault, forges = world.store, world.clock, world.vault, world.forges
    foundation = foundation_of(config, world)
    transitions, factory = foundation.transitions, foundation.run_factory
    states, issuer_keys = StateService(store, vault, clock, world.meter), IssuerKeys(store, vault, clock)
    catch_up, failed_deliveries = catching_up(config, world)
    policies, policy_replay = _judging(config, world, transitions)
    forecasts, drift_checks = _forecasts(world, foundation), _drift_checks(config, world, foundation)
    notifications = notifications_of(config, world)
    return Services(
        config=config,
        addresses=world.addresses,
        store=store,
        clock=clock,
        vault=vault,
        dispatch=world.dispatch,
        queues=world.queues,
        engine=world.engine,
        policies=world.policies,
        binaries=world.binaries,
        sandbox=world.sandbox,
        forges=forges,
        forge_checks=world.forge_checks,
        hooks=world.hooks,
        transitions=transitions,
        post_builder=foundation.post_builder,
        run_factory=factory,
        states=states,
        shared_states=SharedStates(store, states),
        state_versions=StateVersions(store, clock, ResourceIndex(store, vault)),
        variables=VariableEditor(store, clock),
        controls=foundation.controls,
        workspace_locks=foundation.workspace_locks,
        requirement_checker=foundation.requirement_checker,
        page_applies=page_applies_of(world, foundation),
        why_reports=WhyReports(foundation.requirement_checker, world.addresses),
        roles=foundation.roles,
        identities=foundation.identities,
        redelivery=Redelivery(store, clock, world.dispatch),
        catch_up=catch_up,
        failed_deliveries=failed_deliveries,
        sessions=Sessions(store, clock, config.session_idle, config.session_life),
        tokens=Tokens(store, clock),
        forge_sign_in=ForgeSignIn(world.sign_ins, vault, clock, world.addresses.public),
        intake=intake_of(config, world, foundation),
        execution=_execution(world, foundation, states, policies, issuer_keys),
        policy_replay=policy_replay,
        report_delivery=_report_delivery(world, foundation.post_builder),
        forecasts=forecasts,
        drift_checks=drift_checks,
        notifications=notifications,
        sweep=_sweep(
            config, world, transitions, issuer_keys, catch_up, forecasts, drift_checks, notifications
        ),
        issuer_keys=issuer_keys,
        **_api(config, world, foundation),
    )


def _forecasts(world: World, foundation: Foundation) -> ForecastJob:
    factory, transitions = foundation.run_factory, foundation.transitions
    return ForecastJob(
        world.store,
        world.clock,
        world.dispatch,
        world.forges,
        world.merges,
        factory,
        transitions,
        world.limits,
    )


def _drift_checks(config: Config, world: World, foundation: Foundation) -> DriftChecks:
    return DriftChecks(
        world.store,
        world.clock,
        world.dispatch,
        foundation.run_factory,
        foundation.transitions,
        world.limits,
        config.notifications.destinations,
    )


def _api(config: Config, world: World, foundation: Foundation) -> dict[str, Any]:
    store, clock, transitions, factory = (
        world.store,
        world.clock,
        foundation.transitions,
        foundation.run_factory,
    )
    manual_runs = ManualRuns(store, clock, world.forges, factory, transitions)
    return {
        "api_workspaces": ApiWorkspaces(store, clock, Isolation(config.runs.network)),
        "uploads": Uploads(store, clock, factory, transitions),
        "state_pushes": StatePushes(store, clock, ResourceIndex(store, world.vault)),
        "manual_runs": manual_runs,
        "api_runs": ApiRuns(store, clock, factory, transitions, manual_runs),
        "api_variables": ApiVariables(store, clock),
        "api_sets": ApiVariableSets(store, clock),
        "engine_versions": world.binaries,
        "projects": Projects(store, clock),
        "meter": world.meter,
    }


def _judging(config: Config, world: World, transitions: Transitions) -> tuple[PolicyChecker, PolicyReplay]:
    store, clock, engine, sets = world.store, world.clock, world.policies, config.policy_sets
    versions = SetVersions(store, clock, world.forges, world.set_files)
    return (
        PolicyChecker(store, engine, versions, sets, transitions),
        PolicyReplay(
            store, clock, engine, versions, sets, transitions, world.limits, config.policies.replayed
        ),
    )


def _execution(
    world: World, foundation: Foundation, states: StateService, policies: PolicyChecker, keys: IssuerKeys
) -> Execution:
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
        store, clock, world.vault, engine, jobs, transitions, limits, policies, plan_reuse, before
    )


def _report_delivery(world: World, posts: PostBuilder) -> ReportDelivery:
    builder = ReportBuilder(world.forges, world.texts, posts, world.addresses)
    return ReportDelivery(
        world.store, world.clock, world.dispatch, world.forges, builder, world.limits, world.meter
    )


def _sweep(
    config: Config,
    world: World,
    transitions: Transitions,
    keys: IssuerKeys,
    catch_up: CatchUp,
    forecasts: ForecastJob,
    drift_checks: DriftChecks,
    notifications: NotificationDelivery,
) -> Sweep:
    store, clock, limits = world.store, world.clock, world.limits
    abandoned = AbandonedLocks(store, clock, transitions, limits)
    retention_job = RetentionJob(store, clock, limits, config.retention)
    removed, kept_states = RemovedWorkspaces(store, transitions), KeptStates(store, clock)
    index = ResourceIndex(store, world.vault)
    return Sweep(
        store,
        clock,
        world.dispatch,
        abandoned,
        removed,
        AbandonedRuns(store, clock, transitions, config.organization.patience),
        retention_job,
        keys,
        kept_states,
        index,
        limits,
        catch_up,
        forecasts,
        drift_checks,
        notifications,
        Reminders(store, clock, config.notifications.destinations),
    )


# --- the real world -----------------------------------------------------------------------------------------


def world_of(config: Config, kinds: ForgeKinds = KINDS) -> World:
    """Return the real World for a configuration. Raises ConfigError."""
    clock = SystemClock()
    store = SqlStore(config.database_url, FernetVault(config.secret_keys))
    dispatch = RqDispatch(config.require_redis())
    limits = config.limits
    binaries, sandbox = binaries_of(config), sandbox_of(config)
    engine = engine_of(config, binaries, sandbox, limits)
    # Keys are derived from a root in the database, so that they survive a rotation of encryption keys.
    vault = FernetVault(config.secret_keys, root=store.root)
    tokens = RedisTokens(config.require_redis(), vault, clock)
    meter = RedisMeter(config.require_redis())
    clients = {forge.name: kinds[forge.kind].client(forge, tokens) for forge in config.forges}
    return World(
        clock=clock,
        store=store,
        vault=vault,
        dispatch=dispatch,
        queues=dispatch,
        addresses=Addresses(config.url, config.internal_url, config.data),
        limits=limits,
        texts=Rendering(config.url),
        forges=clients,
        forge_checks=clients,
        hooks={forge.name: kinds[forge.kind].hook(forge, clock) for forge in config.forges},
        sign_ins={
            forge.name: kinds[forge.kind].sign_in(forge, forge.client)
            for forge in config.forges
            if forge.client is not None
        },
        parse=parser(config.forges, kinds),
        engine=engine,
        merges=engine.merges,
        binaries=binaries,
        sandbox=sandbox,
        policies=policy_engine_of(config, sandbox),
        set_files=SetFolders(config.config_file.parent, engine.checkout),
        meter=meter,
        messengers=messengers_of(config),
    )
