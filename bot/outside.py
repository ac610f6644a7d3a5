"""Builds what stands between the services and the world outside, by the configuration: forges, Terraform."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.config import AppAuth, Config, ForgeConfig, ForgeKind
from bot.domain.events import ForgeEvent, Ignored
from bot.domain.workspace import EngineKind
from bot.forges import oauth
from bot.forges.github import webhook as github_webhook
from bot.forges.github.auth import AppLogin, TokenLogin
from bot.forges.github.client import GitHubForge
from bot.forges.github.hook import GitHubHook
from bot.forges.gitlab import webhook as gitlab_webhook
from bot.forges.gitlab.api import TokenLogin as GitLabLogin
from bot.forges.gitlab.client import GitLabForge
from bot.forges.gitlab.hook import GitLabHook
from bot.services.ports import Clock, Delivery, Forge, Hook, Limits, SignIn
from bot.terraform.binaries import Binaries
from bot.terraform.downloads import Downloads, Trust
from bot.terraform.engine import TerraformEngine
from bot.terraform.releases import Releases
from bot.terraform.sandbox import Sandbox, SandboxMode


def parser(forges: Sequence[ForgeConfig] = ()) -> Callable[[Delivery], ForgeEvent | Ignored]:
    """Return what reads a stored delivery into an event; a forge that is not named is a GitHub."""
    gitlabs = {forge.name for forge in forges if forge.kind is ForgeKind.GITLAB}

    def parse(delivery: Delivery) -> ForgeEvent | Ignored:
        if delivery.forge in gitlabs:
            return gitlab_webhook.parse(delivery.forge, delivery.event, delivery.body)
        content_type = delivery.headers.get("content-type", "")
        return github_webhook.parse(delivery.forge, delivery.event, delivery.body, content_type)

    return parse


def hook_of(config: ForgeConfig, clock: Clock) -> Hook:
    """Return how a configured forge calls us."""
    if config.kind is ForgeKind.GITLAB:
        return GitLabHook(config.name, config.webhook_secrets, clock.now, config.url)
    return GitHubHook(config.name, config.webhook_secrets, config.url)


def forge_of(config: ForgeConfig) -> Forge:
    """Return the client of a configured forge."""
    login: AppLogin | TokenLogin
    if config.kind is ForgeKind.GITLAB and not isinstance(config.auth, AppAuth):
        return GitLabForge(config.name, GitLabLogin(config.auth.token), url=config.url)
    if isinstance(config.auth, AppAuth):
        login = AppLogin(int(config.auth.app_id), config.auth.private_key)
    else:
        login = TokenLogin(config.auth.token)
    return GitHubForge(config.name, login, api_url=config.api_url, web_url=config.url)


def sign_in_of(config: ForgeConfig) -> SignIn | None:
    """Return how people sign in with a configured forge, None where nobody does."""
    if config.client is None:
        return None
    gitlab = config.kind is ForgeKind.GITLAB
    at = oauth.gitlab(config.url) if gitlab else oauth.github(config.url, config.api_url)
    return oauth.OAuthSignIn(config.name, at, config.client.id, config.client.secret)


def sandbox_of(config: Config) -> Sandbox:
    """Return what closes child processes in."""
    return Sandbox(
        SandboxMode(config.sandbox.value),
        config.data,
        hide=[config.config_file, *config.secret_files],
        home=Path.home(),
    )


def binaries_of(config: Config) -> Binaries:
    """Return where Terraform and OpenTofu come from."""
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


def engine_of(config: Config, binaries: Binaries, sandbox: Sandbox, limits: Limits) -> TerraformEngine:
    """Return what runs Terraform."""
    return TerraformEngine(
        config.data,
        binaries,
        sandbox,
        limits=limits,
        plugin_cache=config.data / "providers",
        provider_mirror=config.provider_mirror,
        worker_environment=config.passed_on,
    )
