"""Whether clouds can verify the identity tokens of runs, and whether a plan's identity is one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config import Config
from bot.domain.workspaces.workspace import Workspace

_PATIENCE = 5.0
_NAME = "identity tokens"


def issuer(config: Config) -> Iterator[Finding]:
    """Look at the issuer's two addresses, and at the roles of plans; say nothing without `identity`."""
    presenting = [workspace for workspace in config.workspaces if workspace.identity.targets]
    rules = [rule for rule in config.discover if rule.like.identity.targets]
    if not presenting and not rules:
        return
    if urlsplit(config.url).scheme != "https":
        yield failed(
            _NAME,
            f"the issuer is {config.url}, and clouds accept only https",
            "Put a proxy with TLS in front, and write https:// into PLANGATE_URL",
        )
    else:
        yield _published(config.url)
    shared = [one.name for one in presenting if _shares_role(one)]
    shared += [f"rule {rule.name}" for rule in rules if _shares_role(rule.like)]
    if shared:
        yield warning(
            _NAME,
            f"plans act with the role of applies: {', '.join(sorted(shared))}",
            "Give plans a role that only reads: the code of a pull request runs in them before any approval",
        )


def _published(url: str) -> Finding:
    advice = "Let these two addresses through your proxy: clouds fetch them from the internet"
    try:
        document = httpx.get(f"{url}/.well-known/openid-configuration", timeout=_PATIENCE)
        keys = httpx.get(f"{url}/.well-known/jwks.json", timeout=_PATIENCE)
        named = document.json()["issuer"] if document.is_success else None
        served = isinstance(keys.json()["keys"], list) if keys.is_success else False
    except httpx.HTTPError as error:
        return failed(_NAME, f"{url}/.well-known/ can't be reached from here: {type(error).__name__}", advice)
    except (ValueError, KeyError, TypeError):
        return failed(_NAME, f"{url}/.well-known/ is answered, but not by Plangate", advice)
    if not document.is_success:
        return failed(_NAME, f"{document.url} answers {document.status_code}", advice)
    if named != url:
        return failed(_NAME, f"the document names the issuer {named}, not {url}", "Correct PLANGATE_URL")
    if not served:
        return failed(_NAME, f"{url}/.well-known/jwks.json answers {keys.status_code}", advice)
    return ok(_NAME, f"the issuer {url} publishes its keys")


def _shares_role(workspace: Workspace) -> bool:
    return any(target.plan_as and target.plan_as == target.apply_as for target in workspace.identity.targets)
