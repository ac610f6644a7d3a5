"""What judges plans by policies, built from the configuration: OPA, and the bundled evaluator."""

from __future__ import annotations

import os

from bot.config import Config
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.policies.programs import Programs
from bot.terraform.programs.opa_downloads import OpaDownloads
from bot.terraform.sandbox import Sandbox


def opa_of(config: Config) -> Programs:
    """Return the OPA programs that policies may be evaluated by."""
    chosen = config.policies.opa
    source = None
    # Downloads are allowed only if they can be verified.
    if chosen.checksums:
        source = OpaDownloads(config.data / "opa", chosen.mirror, chosen.checksums)
    path = config.passed_on.get("PATH", os.defpath)
    return Programs(chosen.wanted, chosen.folder, path, source)


def policy_engine_of(config: Config, sandbox: Sandbox, *, only_bundled: bool = False) -> RegoEngine:
    """Return the engine that judges plans by policies. `only_bundled` leaves OPA to sets that require it."""
    child = Child(sandbox.closed_in)
    return RegoEngine(child, opa_of(config), config.data / "policies", only_bundled=only_bundled)
