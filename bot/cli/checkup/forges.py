"""The forges: whether they answer, let us in, allow what runs need, and agree with our clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Protocol, runtime_checkable

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config import Config, ForgeConfig
from bot.domain.errors import ForgeError, NotFound
from bot.domain.events import RepoRef
from bot.forges.examining import Fault

# A forge refuses an App's signature that seems to come from the future, or is minutes old.
_SKEW = timedelta(seconds=30)
_TOO_MUCH_SKEW = timedelta(minutes=5)
_SHORT_SECRET = 16
# Each takes some calls.
_MOST_REPOSITORIES = 15


@runtime_checkable
class Examinable(Protocol):
    """What a forge must be able to tell of itself. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def clock_ahead(self) -> timedelta:
        """Return by how much this machine's clock is ahead of the forge's."""
        ...

    def whoami(self) -> str:
        """Return the login that we act under."""
        ...

    def lacking(self, repo: RepoRef, *, merges: bool = False, teams: bool = False) -> tuple[str, ...]:
        """Return, in words, what we may not do in a repository that a run needs, or a merge, or teams."""
        ...

    def lacking_on(self, repo: RepoRef, branch: str) -> tuple[str, ...]:
        """Return, in words, what we may not do on a branch (empty: the default one) that a run needs."""
        ...

    def advice(self, repo: RepoRef, branch: str) -> tuple[Fault, ...]:
        """Return what keeps webhooks or statuses of a branch from meaning what they should."""
        ...

    def token_faults(self) -> tuple[Fault, ...]:
        """Return what is wrong with our token as such."""
        ...

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[Fault, ...]:
        """Return what is wrong with the webhooks that should lead to an address, where we may see them."""
        ...


def forge(config: Config, about: ForgeConfig, client: object) -> Iterator[Finding]:
    """One forge, from the network up: what can't work without the step before is left out."""
    yield _secret(about)
    if not isinstance(client, Examinable):
        return
    try:
        yield _clock(about, client.clock_ahead())
    except ForgeError as error:
        yield failed(
            f"{about.name}: API", str(error), "See to the network, the proxy, or the forge's address"
        )
        return
    try:
        login = client.whoami()
    except (ForgeError, NotFound) as error:
        yield failed(f"{about.name}: sign-in", str(error), "Renew the token, or the App's key")
        return
    yield ok(f"{about.name}: sign-in", f"as {login}")
    yield from _found(f"{about.name}: token", client.token_faults())
    yield from _repositories(config, about, client)


def _found(name: str, faults: Iterable[Fault]) -> Iterator[Finding]:
    for fault in dict.fromkeys(faults):
        yield (failed if fault.sure else warning)(name, fault.found, fault.advice)


def _secret(about: ForgeConfig) -> Finding:
    name = f"{about.name}: webhook secret"
    if any(len(secret) < _SHORT_SECRET for secret in about.webhook_secrets):
        return warning(name, "it is short enough to be guessed", "Make one with `openssl rand -hex 20`")
    count = len(about.webhook_secrets)
    return ok(name, "set" if count == 1 else f"{count} are set, any of them is good")


def _clock(about: ForgeConfig, ahead: timedelta) -> Finding:
    name, seconds = f"{about.name}: API", ahead.total_seconds()
    said = f"{about.api_url} answers"
    if abs(ahead) <= _SKEW:
        return ok(name, said)
    way = "ahead of" if seconds > 0 else "behind"
    wrong = f"{said}, and this machine's clock is {abs(seconds):.0f} seconds {way} the forge's"
    kind = failed if abs(ahead) > _TOO_MUCH_SKEW else warning
    return kind(name, wrong, "Set this machine's clock by NTP")


def _repositories(config: Config, about: ForgeConfig, client: Examinable) -> Iterator[Finding]:
    workspaces = (*config.workspaces, *(rule.like for rule in config.discover))
    repos = sorted({one.repo for one in workspaces if one.repo.forge == about.name}, key=lambda r: r.path)
    owned = any(each.teams(about.name) for each in config.policy_sets)
    fine = 0
    for repo in repos[:_MOST_REPOSITORIES]:
        try:
            here = [one for one in workspaces if one.repo == repo]
            lacks = client.lacking(
                repo,
                merges=any(one.merging.automerge for one in here),
                teams=owned or any("codeowners" in one.require for one in here),
            )
            if not lacks:
                branches = sorted({one.branch for one in here})
                lacks = tuple(each for branch in branches for each in client.lacking_on(repo, branch))
                faults = [fault for branch in branches for fault in client.advice(repo, branch)]
                yield from _found(f"{about.name}: {repo.path}", faults)
        except (ForgeError, NotFound) as error:
            yield failed(f"{about.name}: {repo.path}", str(error), "Give us access, or correct plangate.yml")
            continue
        if lacks:
            advice = "Grant it on the forge; of an App, whoever installed it must accept"
            yield failed(f"{about.name}: {repo.path}", f"lacking: {', '.join(lacks)}", advice)
        else:
            fine += 1
    if fine:
        rest = len(repos) - _MOST_REPOSITORIES
        more = f"; {rest} more were not looked at" if rest > 0 else ""
        count = f"{fine} repositor{'y' if fine == 1 else 'ies'}"
        yield ok(f"{about.name}: permissions", f"suffice in {count}{more}")
    if repos:
        name = f"{about.name}: webhook"
        try:
            hooks = client.hook_faults(repos[:_MOST_REPOSITORIES], f"{config.url}/hooks/{about.name}")
        except (ForgeError, NotFound) as error:
            yield warning(name, str(error), "Look at it on the forge")
        else:
            yield from _found(name, hooks)
