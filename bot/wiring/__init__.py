"""The composition root: builds the services from a World and a Config, by plain constructor calls.

The program passes the real World. Tests pass a World of fakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from bot.clock import SystemClock
from bot.config import Config
from bot.domain.workspaces.isolation import Isolation
from bot.forges.kinds import KINDS, parser
from bot.integrations.run_tasks import SignedTaskCaller
from bot.rendering import Rendering
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
from bot.services.forecasts.make import ForecastJob
from bot.services.identity.keys import IssuerKeys
from bot.services.metrics.measure import Measurements
from bot.services.notifications.deliver import NotificationDelivery
from bot.services.notifications.events import Reminders
from bot.services.people.forge_sign_in import ForgeSignIn
from bot.services.people.identities import Identities
from bot.services.people.program_login import ProgramLogin
from bot.services.people.roles import Roles
from bot.services.people.sessions import Sessions
from bot.services.people.tokens import Tokens
from bot.services.policies.replay import PolicyReplay
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
    Spans,
    Store,
    Vault,
)
from bot.services.reports.deliver import ReportDelivery
from bot.services.reports.derive import ReportBuilder
from bot.services.reports.posts import PostBuilder
from bot.services.run_tasks.callbacks import TaskCallbacks
from bot.services.runs.abandoned_locks import AbandonedLocks
from bot.services.runs.controls import RunControls
from bot.services.runs.create import RunFactory
from bot.services.runs.force_execute import ForceExecute
from bot.services.runs.locks import WorkspaceLocks
from bot.services.runs.queue_plan import ManualRuns
from bot.services.runs.removed_workspaces import RemovedWorkspaces
from bot.services.runs.stage_log import StageLogs
from bot.services.runs.transitions import Transitions
from bot.services.states.backend import StateService
from bot.services.states.history import StateVersions
from bot.services.states.kept_aside import KeptStates
from bot.services.states.pushes import StatePushes
from bot.services.states.resource_index import ResourceIndex
from bot.services.states.shared_states import SharedStates
from bot.services.tracing.spans import SilentSpans
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
from bot.terraform.running.hooks import SandboxedHooks
from bot.terraform.sandbox import Sandbox
from bot.traces import CollectedSpans
from bot.vault import FernetVault
from bot.wiring.catching_up import catching_up
from bot.wiring.deliveries import intake_of, page_applies_of
from bot.wiring.engine import binaries_of, engine_of, sandbox_of
from bot.wiring.execution import execution_of, judging_of, run_tasks_of
from bot.wiring.foundation import Foundation, foundation_of
from bot.wiring.notifications import messengers_of, notifications_of
from bot.wiring.policies import policy_engine_of
from bot.wiring.pools import dispatch_of
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
    spans: Spans
    measurements: Measurements
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
    task_callbacks: TaskCallbacks
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
    program_login: ProgramLogin
    force_execute: ForceExecute
    stage_logs: StageLogs
    engine_versions: Binaries


def version() -> str:
    """Return the version of Plangate that is installed."""
    return metadata.version("plangate")


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
    states, issuer_keys = StateService(store, vault, clock, world.meter), IssuerKeys(store, vault, clock)
    catch_up, failed_deliveries = catching_up(config, world)
    run_tasks, task_callbacks = run_tasks_of(config, world)
    policies, policy_replay = judging_of(config, world, foundation.transitions, run_tasks)
    background, notifications = _background(config, world, foundation), notifications_of(config, world)
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
        transitions=foundation.transitions,
        post_builder=foundation.post_builder,
        run_factory=foundation.run_factory,
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
        execution=execution_of(config, world, foundation, states, policies, issuer_keys, run_tasks),
        policy_replay=policy_replay,
        report_delivery=_report_delivery(world, foundation.post_builder),
        notifications=notifications,
        task_callbacks=task_callbacks,
        sweep=_sweep(config, world, foundation, issuer_keys, catch_up, background, notifications),
        issuer_keys=issuer_keys,
        **background,
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


def _background(config: Config, world: World, foundation: Foundation) -> dict[str, Any]:
    drift_checks = DriftChecks(
        world.store,
        world.clock,
        world.dispatch,
        foundation.transitions,
        world.limits,
        config.notifications.destinations,
    )
    return {"forecasts": _forecasts(world, foundation), "drift_checks": drift_checks}


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
        "force_execute": ForceExecute(store, clock, transitions),
        "stage_logs": StageLogs(store),
        "program_login": ProgramLogin(store, clock, Tokens(store, clock)),
        "meter": world.meter,
        "spans": world.spans,
        "measurements": Measurements(store, world.queues, clock, world.meter, version()),
    }


def _report_delivery(world: World, posts: PostBuilder) -> ReportDelivery:
    builder = ReportBuilder(world.forges, world.texts, posts, world.addresses)
    return ReportDelivery(
        world.store, world.clock, world.dispatch, world.forges, builder, world.limits, world.meter
    )


def _sweep(
    config: Config,
    world: World,
    foundation: Foundation,
    keys: IssuerKeys,
    catch_up: CatchUp,
    background: Mapping[str, Any],
    notifications: NotificationDelivery,
) -> Sweep:
    store, clock, limits = world.store, world.clock, world.limits
    abandoned = AbandonedLocks(store, clock, foundation.transitions, limits)
    retention_job = RetentionJob(store, clock, limits, config.retention)
    removed, kept_states = RemovedWorkspaces(store, foundation.transitions), KeptStates(store, clock)
    index = ResourceIndex(store, world.vault)
    return Sweep(
        store,
        clock,
        world.dispatch,
        abandoned,
        removed,
        AbandonedRuns(store, clock, foundation.transitions, config.organization.patience),
        retention_job,
        keys,
        kept_states,
        index,
        limits,
        catch_up,
        background["forecasts"],
        background["drift_checks"],
        notifications,
        Reminders(store, clock, config.notifications.destinations),
    )


# --- the real world -----------------------------------------------------------------------------------------


def world_of(config: Config, kinds: ForgeKinds = KINDS) -> World:
    """Return the real World for a configuration. Raises ConfigError."""
    clock = SystemClock()
    store = SqlStore(config.database_url, FernetVault(config.secret_keys))
    dispatch, meter = dispatch_of(config, store), RedisMeter(config.require_redis())
    limits = config.limits
    binaries, sandbox = binaries_of(config), sandbox_of(config)
    engine = engine_of(config, binaries, sandbox, limits, meter)
    # Keys are derived from a root in the database, so that they survive a rotation of encryption keys.
    vault = FernetVault(config.secret_keys, root=store.root)
    tokens = RedisTokens(config.require_redis(), vault, clock)
    clients = {forge.name: kinds[forge.kind].client(forge, tokens, meter) for forge in config.forges}
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
        spans=CollectedSpans(config.traces, version()) if config.traces else SilentSpans(),
        messengers=messengers_of(config),
        task_caller=SignedTaskCaller(config.run_tasks.mailboxes),
        hook_runner=SandboxedHooks(sandbox, config.run_tasks.environment),
    )
