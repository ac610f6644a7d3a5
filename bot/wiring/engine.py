"""What runs Terraform, built from the configuration: programs, sandbox, engine."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from bot.config import Config
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import Limits, Meter
from bot.terraform.engine import TerraformEngine
from bot.terraform.programs.binaries import Binaries
from bot.terraform.programs.downloads import Downloads, Trust
from bot.terraform.programs.releases import Releases
from bot.terraform.sandbox import Sandbox, SandboxMode
from bot.terraform.sandbox.limits import RunLimits


def sandbox_of(config: Config) -> Sandbox:
    """Return the sandbox for child processes."""
    return Sandbox(SandboxMode(config.runs.sandbox.value))


def binaries_of(config: Config) -> Binaries:
    """Return the Terraform and OpenTofu binaries that runs may use."""
    path = config.passed_on.get("PATH", os.defpath)
    source = None
    # Downloads are allowed only if they can be verified: by keys or by checksums.
    if config.terraform_keys or config.terraform_checksums:
        releases = (
            Releases(EngineKind.TERRAFORM, config.terraform_mirror),
            Releases(EngineKind.TOFU, config.tofu_mirror),
        )
        trust = Trust(config.terraform_keys, config.terraform_checksums, path)
        source = Downloads(config.data / "terraform", releases, trust)
    return Binaries(config.terraform_dir, config.terraform_from_path, path=path, source=source)


def engine_of(
    config: Config, binaries: Binaries, sandbox: Sandbox, limits: Limits, meter: Meter
) -> TerraformEngine:
    """Return the engine that runs Terraform and OpenTofu."""
    return TerraformEngine(
        config.data,
        binaries,
        sandbox,
        limits=limits,
        plugin_cache=config.data / "providers",
        provider_mirror=config.provider_mirror,
        worker_environment=config.passed_on,
        run_limits=RunLimits(
            memory=config.runs.memory,
            processes=config.runs.processes,
            files=config.runs.files,
            file_size=config.runs.file_size,
            disk=config.runs.disk,
            output=config.runs.output,
        ),
        own_hosts=_own_hosts(config),
        disk_free=config.disk_free,
        trees_disk=config.trees_disk,
        meter=meter,
    )


def _own_hosts(config: Config) -> tuple[str, ...]:
    """Return the hosts of Plangate's own parts: web, database, Redis."""
    urls = (config.url, config.internal_url, config.database_url, config.redis_url or "")
    found = (urlsplit(url).hostname for url in urls if "://" in url and not url.startswith("sqlite"))
    return tuple(dict.fromkeys(host for host in found if host))
