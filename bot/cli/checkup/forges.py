"""The forges: whether they answer, let us in, allow what runs need, and agree with our clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config import Config
from bot.domain.errors import ForgeError, NotFound
from bot.services.ports import ForgeChecks, ForgeConfig, ForgeFault

# A forge refuses an App's signature that seems to come from the future, or is minutes old.
_SKEW = timedelta(seconds=30)
_TOO_MUCH_SKEW = timedelta(minutes=5)
_SHORT_SECRET = 16
# Each takes some calls.
_MOST_REPOSITORIES = 15


def forge(config: Config, about: ForgeConfig, client: ForgeChecks) -> Iterator[Finding]:
    """One forge, from the network up: what can't work without the step before is left out."""
    yield _secret(about)
    try:
        yield _clock(about, client.clock_ahead())
    except ForgeError as error:
        yield failed(f"{about.name}: API", str(error), "Check the network, the proxy, or the forge's address")
        return
    try:
        login = client.whoami()
    except (ForgeError, NotFound) as error:
        yield failed(f"{about.name}: sign-in", str(error), "Renew the token, or the App's key")
        return
    yield ok(f"{about.name}: sign-in", f"as {login}")
    yield from _found(f"{about.name}: token", client.token_faults())
    yield from _repositories(config, about, client)


def _found(name: str, faults: Iterable[ForgeFault]) -> Iterator[Finding]:
    for fault in dict.fromkeys(faults):
        yield (failed if fault.sure else warning)(name, fault.found, fault.advice)


def _secret(about: ForgeConfig) -> Finding:
    name = f"{about.name}: webhook secret"
    if any(len(secret) < _SHORT_SECRET for secret in about.webhook_secrets):
        return warning(name, "it is short enough to be guessed", "Create one with `openssl rand -hex 20`")
    count = len(about.webhook_secrets)
    return ok(name, "set" if count == 1 else f"{count} are set, each of them is accepted")


def _clock(about: ForgeConfig, ahead: timedelta) -> Finding:
    name, seconds = f"{about.name}: API", ahead.total_seconds()
    said = f"{about.api_url} answers"
    if abs(ahead) <= _SKEW:
        return ok(name, said)
    way = "ahead of" if seconds > 0 else "behind"
    wrong = f"{said}, and this machine's clock is {abs(seconds):.0f} seconds {way} the forge's"
    kind = failed if abs(ahead) > _TOO_MUCH_SKEW else warning
    return kind(name, wrong, "Set this machine's clock by NTP")


def _repositories(config: Config, about: ForgeConfig, client: ForgeChecks) -> Iterator[Finding]:
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
            yield failed(f"{about.name}: {repo.path}", str(error), "Grant access, or correct plangate.yml")
            continue
        if lacks:
            advice = "Grant it on the forge. For an App, the owner of the installation must accept it"
            yield failed(f"{about.name}: {repo.path}", f"lacking: {', '.join(lacks)}", advice)
        else:
            fine += 1
    if fine:
        rest = len(repos) - _MOST_REPOSITORIES
        more = f"; {rest} more were not checked" if rest > 0 else ""
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
