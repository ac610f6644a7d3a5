"""The one composition root: Config -> Services, by plain constructor calls."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.clock import SystemClock
from bot.config import AppAuth, Config, ForgeConfig, ForgeKind
from bot.dispatch import RqDispatch
from bot.domain.errors import EngineError
from bot.domain.events import ForgeEvent, Ignored
from bot.domain.workspace import EngineKind
from bot.forges.github import webhook as github_webhook
from bot.forges.github.auth import AppLogin, TokenLogin
from bot.forges.github.client import GitHubForge
from bot.forges.github.hook import GitHubHook
from bot.forges.gitlab import webhook as gitlab_webhook
from bot.forges.gitlab.api import TokenLogin as GitLabLogin
from bot.forges.gitlab.client import GitLabForge
from bot.forges.gitlab.hook import GitLabHook
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
from bot.services.intake import Intake
from bot.services.left_locks import LeftLocks
from bot.services.locking import Locking
from bot.services.making import NewRuns
from bot.services.override_comments import OverrideComments
from bot.services.overriding import Overriding
from bot.services.phases import Phases
from bot.services.policing import Policing
from bot.services.ports import (
    Addresses,
    Clock,
    Delivery,
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
from bot.services.reporting import Reporting
from bot.services.requiring import Requiring
from bot.services.run_comments import RunComments
from bot.services.siblings import Siblings
from bot.services.state_history import KeptStates
from bot.services.states import StateService
from bot.services.sweep import Sweep
from bot.services.taking_over import TakingOver
from bot.services.transitions import Transitions
from bot.services.variables import VariableDesk
from bot.services.why_comments import WhyComments
from bot.store import SqlStore
from bot.terraform.binaries import Binaries
from bot.terraform.downloads import Downloads, Trust
from bot.terraform.engine import TerraformEngine
from bot.terraform.releases import Releases
from bot.terraform.sandbox import Sandbox, SandboxMode
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
    intake: Intake
    phases: Phases
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
    overriding = Overriding(clock, transitions, config.policy_sets)
    posting = Posting(vault, Rendering(config.url))
    new_runs = NewRuns(clock, transitions)
    policies = RegoEngine(Child(world.sandbox.closed_in))
    folders = SetFolders(config.config_file.parent, world.engine.checkout)
    policing = Policing(store, clock, world.forges, policies, folders, config.policy_sets, transitions)
    jobs = EngineJobs(store, world.forges, states, world.addresses)
    controls = Controls(
        store, clock, transitions, limits.cool_off, overriding, Requiring(store, world.forges)
    )
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
        hooks={forge.name: _hook(forge, clock) for forge in config.forges},
        states=states,
        kept_states=KeptStates(store, clock),
        variables=VariableDesk(store, clock),
        controls=controls,
        locking=locking,
        queueing=Queueing(store, world.forges, new_runs, transitions),
        intake=_intake(config, world, new_runs, transitions, posting, overriding, controls, locking),
        phases=Phases(store, clock, vault, world.engine, jobs, transitions, limits, policing, taking_over),
        reporting=Reporting(store, clock, world.forges, deriving, limits),
        sweep=Sweep(store, clock, world.dispatch, LeftLocks(store, clock, transitions, limits)),
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
    binaries, sandbox = _binaries(config), _sandbox(config)
    return _World(
        clock=clock,
        store=store,
        # Derived keys come from a root in the database, so that they outlive every encryption key.
        vault=FernetVault(config.secret_keys, root=store.root),
        dispatch=RqDispatch(config.require_redis()),
        addresses=Addresses(config.url, config.internal_url, config.data),
        limits=limits,
        forges={forge.name: _forge(forge) for forge in config.forges},
        binaries=binaries,
        sandbox=sandbox,
        engine=_engine(config, binaries, sandbox, limits),
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
    requiring = Requiring(store, forges)
    discovery = Discovery(config.discover, world.engine, forges)
    changed = Changed(store, clock, forges, discovery, new_runs, transitions)
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
    )
    siblings = Siblings(store, changed, new_runs, transitions, world.limits.siblings)
    following = Following(store, forges, changed, new_runs, transitions, siblings)
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
    )


def warm_up(services: Services) -> None:
    """Find out once what each run would have to ask: the programs' versions, and whether the sandbox works.

    A run is a fork of its worker, so what the worker knows costs the run no process.
    """
    services.sandbox.describe()
    config = services.config
    likes = [*config.workspaces, *(rule.like for rule in config.discover)]
    for kind, version in dict.fromkeys((like.engine, like.engine_version) for like in likes):
        try:
            services.binaries.find(kind, version)
        except EngineError as error:
            # It may be downloaded yet; if not, each run says so.
            log.info("%s", error)


def parser(forges: Sequence[ForgeConfig] = ()) -> Callable[[Delivery], ForgeEvent | Ignored]:
    """Return what reads a stored delivery into an event; a forge that is not named is a GitHub."""
    gitlabs = {forge.name for forge in forges if forge.kind is ForgeKind.GITLAB}

    def parse(delivery: Delivery) -> ForgeEvent | Ignored:
        if delivery.forge in gitlabs:
            return gitlab_webhook.parse(delivery.forge, delivery.event, delivery.body)
        content_type = delivery.headers.get("content-type", "")
        return github_webhook.parse(delivery.forge, delivery.event, delivery.body, content_type)

    return parse


def _hook(config: ForgeConfig, clock: Clock) -> Hook:
    if config.kind is ForgeKind.GITLAB:
        return GitLabHook(config.name, config.webhook_secrets, clock.now, config.url)
    return GitHubHook(config.name, config.webhook_secrets, config.url)


def _forge(config: ForgeConfig) -> Forge:
    login: AppLogin | TokenLogin
    if config.kind is ForgeKind.GITLAB and not isinstance(config.auth, AppAuth):
        return GitLabForge(config.name, GitLabLogin(config.auth.token), url=config.url)
    if isinstance(config.auth, AppAuth):
        login = AppLogin(int(config.auth.app_id), config.auth.private_key)
    else:
        login = TokenLogin(config.auth.token)
    return GitHubForge(config.name, login, api_url=config.api_url, web_url=config.url)


def _sandbox(config: Config) -> Sandbox:
    return Sandbox(
        SandboxMode(config.sandbox.value),
        config.data,
        hide=[config.config_file, *config.secret_files],
        home=Path.home(),
    )


def _binaries(config: Config) -> Binaries:
    path = config.passed_on.get("PATH", os.defpath)
    source = None
    # What a download is held against is also what allows it: without either there is none.
    if config.terraform_keys or config.terraform_checksums:
        releases = (
            Releases(EngineKind.TERRAFORM, config.terraform_mirror),
            Releases(EngineKind.TOFU, config.tofu_mirror),
        )
        trust = Trust(config.terraform_keys, config.terraform_checksums, path)
        source = Downloads(config.data / "terraform", releases, trust)
    return Binaries(config.terraform_dir, config.terraform_from_path, path=path, source=source)


def _engine(config: Config, binaries: Binaries, sandbox: Sandbox, limits: Limits) -> TerraformEngine:
    return TerraformEngine(
        config.data,
        binaries,
        sandbox,
        limits=limits,
        plugin_cache=config.data / "providers",
        provider_mirror=config.provider_mirror,
        worker_environment=config.passed_on,
    )
