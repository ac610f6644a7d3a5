"""The World: every adapter that the services work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.services.deliveries.intake import Parse
from bot.services.metrics.series import SilentMeter
from bot.services.ports import (
    Addresses,
    Clock,
    CommentTexts,
    Dispatch,
    Engine,
    Forge,
    ForgeChecks,
    Hook,
    Limits,
    MergeCommits,
    Messengers,
    Meter,
    PolicyEngine,
    Queues,
    SetFiles,
    SignIn,
    Spans,
    Store,
    TaskCaller,
    Vault,
)
from bot.services.tracing.spans import SilentSpans
from bot.terraform.programs.binaries import Binaries
from bot.terraform.sandbox import Sandbox


@dataclass(frozen=True)
class World:
    """The outside that services work with: time, database, forges, Terraform. Tests pass fakes.

    `forge_checks` are the checks of `plangate doctor`. `sign_ins` are the forges that people sign in with.
    `parse` reads a stored delivery. It raises Invalid if the body can't be read.
    """

    clock: Clock
    store: Store
    vault: Vault
    dispatch: Dispatch
    queues: Queues
    addresses: Addresses
    limits: Limits
    texts: CommentTexts
    forges: Mapping[str, Forge]
    forge_checks: Mapping[str, ForgeChecks]
    hooks: Mapping[str, Hook]
    sign_ins: Mapping[str, SignIn]
    parse: Parse
    engine: Engine
    merges: MergeCommits
    binaries: Binaries
    sandbox: Sandbox
    policies: PolicyEngine
    set_files: SetFiles
    messengers: Messengers
    task_caller: TaskCaller
    meter: Meter = field(default_factory=SilentMeter)
    spans: Spans = field(default_factory=SilentSpans)
