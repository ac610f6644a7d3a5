"""What a phase of a run is handed to prove who it is: short-lived tokens, as files and in the environment.

Each token is for one audience. Its subject names the workspace and the phase, so that a trust policy lets
plans read and only applies write. Nothing that a token can do outlives it: it expires with its phase.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.ids import new_id
from bot.domain.runs.run import Run
from bot.domain.workspaces.identity import Cloud, Target, organization, subject
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.workspace import Workspace
from bot.services.identity.keys import LONGEST, IssuerKeys
from bot.services.ports import HERE, Addresses, Clock, Limits, RunFile, Store
from bot.services.runs.code_origin import ChangeCode, changes_in

SPARE = timedelta(minutes=5)
"""How much longer than the time limit of its phase a token is good."""

_TFC = "TFC_WORKLOAD_IDENTITY_TOKEN"
_FORKS = (
    "no identity tokens: this change comes from a fork; `forks: true` under `identity` in plangate.yml gives "
    "its previews tokens too"
)


@dataclass(frozen=True)
class Handed:
    """What the processes of a phase get. `remark` says why there is nothing, if that needs saying."""

    files: tuple[RunFile, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    remark: str = ""


class IdentityTokens:
    """Makes the tokens of runs. `issuer` is our public address."""

    def __init__(
        self, store: Store, clock: Clock, keys: IssuerKeys, addresses: Addresses, limits: Limits
    ) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._issuer = addresses.public
        self._limits = limits

    def hand(self, run: Run, workspace: Workspace, phase: Phase) -> Handed:
        """Return what a phase of a run gets."""
        targets = [target for target in workspace.identity.targets if target.wanted_in(phase)]
        if not targets:
            return Handed()
        changes = self._changes(run)
        fork = any(each.from_fork for each in changes)
        if run.plan_only and not workspace.identity.forks and fork:
            return Handed(remark=_FORKS)
        files, environment, secrets = list[RunFile](), dict[str, str](), list[str]()
        for target in targets:
            token = self._keys.sign(self._claims(run, workspace, phase, target.audience, changes))
            # Of a token that is printed without its head, the signature is what must not show.
            secrets += [token, token.rpartition(".")[2]]
            files += _files(target, phase, token)
            environment.setdefault(_TFC, token)
            environment |= {
                f"{_TFC}_{target.tag.upper()}": token,
                **dict(_variables(target, phase, run, token)),
            }
        return Handed(tuple(files), environment, tuple(secrets))

    def _claims(
        self, run: Run, workspace: Workspace, phase: Phase, audience: str, changes: Sequence[ChangeCode]
    ) -> dict[str, object]:
        now = self._clock.now()
        limit = self._limits.apply if phase is Phase.APPLY else self._limits.plan
        actor = (run.confirmed_by or run.created_by) if phase is Phase.APPLY else run.created_by
        return {
            "iss": self._issuer,
            "sub": subject(workspace.repo.path, workspace.name, phase),
            "aud": audience,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + min(limit + SPARE, LONGEST)).timestamp()),
            "jti": new_id("idt"),
            "plangate_organization": organization(workspace.repo.path),
            "plangate_workspace": workspace.name,
            "plangate_workspace_id": workspace.id,
            "plangate_run_phase": phase.value,
            "plangate_run_id": run.id,
            "plangate_forge": workspace.repo.forge,
            "plangate_repository": workspace.repo.path,
            "plangate_commit": run.commit,
            "plangate_branch": run.branch,
            "plangate_change": "+".join(str(each.number) for each in changes),
            "plangate_preview": str(run.plan_only).lower(),
            "plangate_actor": actor,
        }

    def _changes(self, run: Run) -> Sequence[ChangeCode]:
        with self._store.reading() as tx:
            return changes_in(tx, run)


def _files(target: Target, phase: Phase, token: str) -> Iterator[RunFile]:
    name = f"identity-{target.tag.lower()}.jwt"
    variables = [f"PLANGATE_IDENTITY_TOKEN_FILE_{target.tag.upper()}"]
    match target.cloud:
        case Cloud.AWS:
            variables.append("AWS_WEB_IDENTITY_TOKEN_FILE")
        case Cloud.AZURE:
            variables.append("ARM_OIDC_TOKEN_FILE_PATH")
        case Cloud.GOOGLE:
            account = json.dumps(_google(target, phase, f"{HERE}/{name}"), indent=2)
            yield RunFile(
                "identity-google.json", account, ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS")
            )
        case Cloud.VAULT | Cloud.OTHER:
            pass
    yield RunFile(name, token, tuple(variables))


def _google(target: Target, phase: Phase, path: str) -> dict[str, object]:
    """Return the credentials file of an external account. Source: Google's AIP-4117."""
    document: dict[str, object] = {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{target.settings['provider']}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": path, "format": {"type": "text"}},
    }
    if account := target.acts_as(phase):
        base = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
        document["service_account_impersonation_url"] = f"{base}/{account}:generateAccessToken"
    return document


def _variables(target: Target, phase: Phase, run: Run, token: str) -> Iterator[tuple[str, str]]:
    acts_as = target.acts_as(phase)
    match target.cloud:
        case Cloud.AWS:
            yield "AWS_ROLE_SESSION_NAME", f"plangate-{run.id}"[:64]
            if acts_as:
                yield "AWS_ROLE_ARN", acts_as
        case Cloud.AZURE:
            yield "ARM_USE_OIDC", "true"
            named = {
                "ARM_CLIENT_ID": acts_as,
                "ARM_TENANT_ID": target.settings.get("tenant_id", ""),
                "ARM_SUBSCRIPTION_ID": target.settings.get("subscription_id", ""),
            }
            yield from ((name, value) for name, value in named.items() if value)
        case Cloud.VAULT:
            yield "TERRAFORM_VAULT_AUTH_JWT", token
            named = {
                "VAULT_ADDR": target.settings.get("address", ""),
                "VAULT_NAMESPACE": target.settings.get("namespace", ""),
            }
            yield from ((name, value) for name, value in named.items() if value)
        case Cloud.GOOGLE | Cloud.OTHER:
            return
