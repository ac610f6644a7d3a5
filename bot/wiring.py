"""The one composition root: Config -> Services, by plain constructor calls."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bot.clock import SystemClock
from bot.config import Config
from bot.dispatch import RqDispatch
from bot.domain.errors import EngineError, PlangateError
from bot.outside import binaries_of, engine_of, forge_of, hook_of, parser, sandbox_of, sign_in_of
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.rendering import Rendering
from bot.services.apply_comments import ApplyComments
from bot.services.changes import Changed
from bot.services.comments import Comments
from bot.services.controls import Controls
from bot.services.deriving import Deriving
from bot.services.discovering import Discovery
from bot.services.engine_jobs import EngineJobs
from bot.services.following import Following
from bot.services.forge_sign_in import ForgeSignIn
from bot.services.forgetting import Forgetting
from bot.services.going_on import GoingOn
from bot.services.intake import Intake
from bot.services.left_locks import LeftLocks
from bot.services.locking import Locking
from bot.services.making import NewRuns
from bot.services.merge_queue import MergeQueue
from bot.services.override_comments import OverrideComments
from bot.services.overriding import Overriding
from bot.services.phases import Phases
from bot.services.policing import Policing
from bot.services.policy_changes import PolicyChanges
from bot.services.ports import (
    Addresses,
    Clock,
    Engine,
    Forge,
    Hook,
    Limits,
    PolicyEngine,
    Store,
    Vault,
)
from bot.services.posting import Posting
from bot.services.queueing import Queueing
from bot.services.redelivering import Redelivering
from bot.services.replaying import Replaying
from bot.services.reporting import Reporting
from bot.services.requiring import Requiring
from bot.services.rights import Rights
from bot.services.run_comments import RunComments
from bot.services.sessions import Sessions
from bot.services.set_versions import SetVersions
from bot.services.siblings import Siblings
from bot.services.state_history import KeptStates
from bot.services.states import StateService
from bot.services.sweep import Sweep
from bot.services.taking_over import TakingOver
from bot.services.team_owners import TeamOwners
from bot.services.tokens import Tokens
from bot.services.transitions import Transitions
from bot.services.variables import VariableDesk
from bot.services.why_comments import WhyComments
from bot.store import SqlStore
from bot.terraform.binaries import Binaries
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import Sandbox
from bot.terraform.set_files import SetFolders
from bot.vault import FernetVault

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """Everything that a process of Plangate works with."""

    config: Config
    addresses: Addresses
    store: Store
    clock: Clock
    vault: Vault
    dispatch: RqDispatch
    engine: Engine
    policies: PolicyEngine
    binaries: Binaries
    sandbox: Sandbox
    forges: Mapping[str, Forge]
    hooks: Mapping[str, Hook]
    states: StateService
    kept_states: KeptStates
    controls: Controls
    variables: VariableDesk
    locking: Locking
    queueing: Queueing
    requiring: Requiring
    rights: Rights
    sessions: Sessions
    tokens: Tokens
    redelivering: Redelivering
    forge_sign_in: ForgeSignIn
    intake: Intake
    phases: Phases
    replaying: Replaying
    reporting: Reporting
    sweep: Sweep


@dataclass(frozen=True)
class _World:
    """What the services work on: the database, the forges, Terraform, the clock."""

    clock: Clock
    store: SqlStore
    vault: Vault
    dispatch: RqDispatch
    addresses: Addresses
    limits: Limits
    forges: Mapping[str, Forge]
    binaries: Binaries
    sandbox: Sandbox
    engine: TerraformEngine


def build(config: Config) -> Services:
    """Build the services. Connects to nothing yet. Raises ConfigError."""
    world = _world(config)
    store, clock, vault, limits = world.store, world.clock, world.vault, world.limits
    states = StateService(store, vault, clock)
    transitions = Transitions(store, clock, world.dispatch)
    teams = TeamOwners(clock, world.forges)
    overriding = Overriding(clock, transitions, config.policy_sets, teams)
    posting = Posting(vault, Rendering(config.url))
    new_runs = NewRuns(clock, transitions)
    policies, policing, replaying = _judging(config, world, transitions)
    jobs = EngineJobs(store, world.forges, states, world.addresses)
    requiring = Requiring(store, world.forges, clock)
    controls = Controls(store, clock, transitions, limits.cool_off, overriding, requiring)
    locking = Locking(store, clock, transitions)
    deriving = Deriving(world.forges, Rendering(config.url), posting, world.addresses)
    taking_over = TakingOver(clock, transitions, limits.plan_age)
    return Services(
        config=config,
        addresses=world.addresses,
        store=store,
        clock=clock,
        vault=vault,
        dispatch=world.dispatch,
        engine=world.engine,
        policies=policies,
        binaries=world.binaries,
        sandbox=world.sandbox,
        forges=world.forges,
        hooks={forge.name: hook_of(forge, clock) for forge in config.forges},
        states=states,
        kept_states=KeptStates(store, clock),
        variables=VariableDesk(store, clock),
        controls=controls,
        locking=locking,
        queueing=Queueing(store, clock, world.forges, new_runs, transitions),
        requiring=requiring,
        rights=Rights(world.forges, clock, config.owners),
        redelivering=Redelivering(store, clock, world.dispatch),
        sessions=Sessions(store, clock, config.session_idle, config.session_life),
        tokens=Tokens(store, clock),
        forge_sign_in=ForgeSignIn(
            {each.name: way for each in config.forges if (way := sign_in_of(each))},
            vault,
            clock,
            config.url,
        ),
        intake=_intake(config, world, new_runs, transitions, posting, overriding, controls, locking),
        phases=Phases(store, clock, vault, world.engine, jobs, transitions, limits, policing, taking_over),
        replaying=replaying,
        reporting=Reporting(store, clock, world.forges, deriving, limits),
        sweep=_sweep(config, world, transitions),
    )


def _sweep(config: Config, world: _World, transitions: Transitions) -> Sweep:
    store, clock, limits = world.store, world.clock, world.limits
    left_locks = LeftLocks(store, clock, transitions, limits)
    return Sweep(store, clock, world.dispatch, left_locks, Forgetting(store, clock, limits, config.keeping))


def _judging(
    config: Config, world: _World, transitions: Transitions
) -> tuple[PolicyEngine, Policing, Replaying]:
    store, clock, sets = world.store, world.clock, config.policy_sets
    engine = RegoEngine(Child(world.sandbox.closed_in))
    folders = SetFolders(config.config_file.parent, world.engine.checkout)
    versions = SetVersions(store, clock, world.forges, folders)
    return (
        engine,
        Policing(store, engine, versions, sets, transitions),
        Replaying(store, clock, engine, versions, sets, transitions, world.limits, config.policies.replayed),
    )


def _world(config: Config) -> _World:
    clock = SystemClock()
    store = SqlStore(config.database_url, FernetVault(config.secret_keys))
    limits = Limits(
        config.plan_timeout,
        config.apply_timeout,
        config.lease,
        report_lease=2 * config.lease,
        cool_off=config.cool_off,
        state_lock_grace=config.state_lock_grace,
        plan_age=config.plan_age,
        siblings=config.siblings,
    )
    binaries, sandbox = binaries_of(config), sandbox_of(config)
    return _World(
        clock=clock,
        store=store,
        # Derived keys come from a root in the database, so that they outlive every encryption key.
        vault=FernetVault(config.secret_keys, root=store.root),
        dispatch=RqDispatch(config.require_redis()),
        addresses=Addresses(config.url, config.internal_url, config.data),
        limits=limits,
        forges={forge.name: forge_of(forge) for forge in config.forges},
        binaries=binaries,
        sandbox=sandbox,
        engine=engine_of(config, binaries, sandbox, limits),
    )


def _intake(
    config: Config,
    world: _World,
    new_runs: NewRuns,
    transitions: Transitions,
    posting: Posting,
    overriding: Overriding,
    controls: Controls,
    locking: Locking,
) -> Intake:
    store, clock, forges = world.store, world.clock, world.forges
    requiring = Requiring(store, forges, clock)
    discovery = Discovery(config.discover, world.engine, forges)
    policy_changes = PolicyChanges(clock, config.policy_sets, on=config.policies.replayed > 0)
    changed = Changed(store, clock, forges, discovery, new_runs, transitions, policy_changes)
    comments = Comments(
        store,
        forges,
        changed,
        posting,
        transitions,
        ApplyComments(clock, new_runs, transitions, requiring),
        OverrideComments(transitions, overriding),
        RunComments(clock, new_runs, transitions, controls, locking),
        WhyComments(new_runs, requiring, world.addresses),
        requiring,
        policy_changes,
        Rights(forges, clock, config.owners),
        clock,
    )
    siblings = Siblings(store, changed, new_runs, transitions, world.limits.siblings)
    going_on = GoingOn(store, forges, changed, requiring, transitions)
    following = Following(store, forges, changed, new_runs, transitions, siblings, going_on)
    return Intake(
        store,
        clock,
        world.dispatch,
        parser(config.forges),
        forges,
        discovery,
        new_runs,
        changed,
        comments,
        transitions,
        following,
        MergeQueue(store, clock, forges, discovery, new_runs, changed, transitions),
    )


def warm_up(services: Services) -> None:
    """Find out once what each run would have to ask: the programs' versions, and whether the sandbox works.

    A run is a fork of its worker, so what the worker knows costs the run no process.
    """
    services.sandbox.describe()
    try:
        services.sweep.tidy(services.engine)
    except PlangateError as error:
        log.warning("working trees that were left stay for now: %s", error)
    config = services.config
    likes = [*config.workspaces, *(rule.like for rule in config.discover)]
    for kind, version in dict.fromkeys((like.engine, like.engine_version) for like in likes):
        try:
            services.binaries.find(kind, version)
        except EngineError as error:
            # It may be downloaded yet; if not, each run says so.
            log.info("%s", error)
