"""The form of `identity` in plangate.yml: the clouds that a workspace's runs present themselves to."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from bot.config.file.entry import Entry
from bot.config.problems import shown
from bot.domain.workspaces.identity import TAG, Cloud, Identity, Target

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_PROVIDER = re.compile(r"projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+")
_ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST = 512


def _like(pattern: re.Pattern[str], what: str, example: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{shown(text)} is not {what}: write it as in {example}")
        return text

    return AfterValidator(check)


def _word(text: str) -> str:
    if not text or len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise ValueError(
            f"{shown(text)} is not an audience or an address: no spaces, {_LONGEST} characters at most"
        )
    return text


def _tag(text: str) -> str:
    if not TAG.fullmatch(text) or text.lower() in list(Cloud):
        raise ValueError(
            f"{shown(text)} can't be the name of a token: letters, digits, `_`; none of {', '.join(Cloud)}"
        )
    return text


Word = Annotated[str, AfterValidator(_word)]
Role = Annotated[str, _like(_ROLE, "the ARN of a role", "arn:aws:iam::123456789012:role/plan")]
Provider = Annotated[
    str,
    _like(
        _PROVIDER,
        "a provider of a workload identity pool",
        "projects/123/locations/global/workloadIdentityPools/plangate/providers/plangate",
    ),
]
Account = Annotated[
    str, _like(_ACCOUNT, "the email of a service account", "plan@my-project.iam.gserviceaccount.com")
]
Uuid = Annotated[str, _like(_UUID, "a UUID", "00000000-0000-0000-0000-000000000000")]


class AwsEntry(Entry):
    """How runs act on AWS."""

    audience: Word = Field(default="sts.amazonaws.com", description="Audience of the tokens")
    plan_role: Role | None = Field(default=None, description="ARN of the role that plans and previews take")
    apply_role: Role | None = Field(default=None, description="ARN of the role that applies take")


class GoogleEntry(Entry):
    """How runs act on Google Cloud."""

    provider: Provider = Field(description="Full name of the provider in the workload identity pool")
    audience: Word | None = Field(
        default=None, description="Audience of the tokens. If unset: the provider's address"
    )
    plan_service_account: Account | None = Field(
        default=None, description="Service account that plans and previews act as"
    )
    apply_service_account: Account | None = Field(
        default=None, description="Service account that applies act as"
    )


class AzureEntry(Entry):
    """How runs act on Azure."""

    audience: Word = Field(default="api://AzureADTokenExchange", description="Audience of the tokens")
    tenant_id: Uuid = Field(description="The tenant")
    subscription_id: Uuid | None = Field(default=None, description="The subscription")
    plan_client_id: Uuid | None = Field(
        default=None, description="Client id of the application that plans and previews act as"
    )
    apply_client_id: Uuid | None = Field(
        default=None, description="Client id of the application that applies act as"
    )


class VaultEntry(Entry):
    """How runs sign in to Vault."""

    audience: Word = Field(default="vault.workload.identity", description="Audience of the tokens")
    address: Word | None = Field(default=None, description="Vault's address, for VAULT_ADDR")
    namespace: Word | None = Field(default=None, description="Vault's namespace, for VAULT_NAMESPACE")


class IdentityEntry(Entry):
    """The audiences that runs get tokens for."""

    forks: bool = Field(
        default=False, description="`true`: previews of changes from forks get tokens as well"
    )
    aws: AwsEntry | None = Field(default=None, description="AWS")
    google: GoogleEntry | None = Field(default=None, description="Google Cloud")
    azure: AzureEntry | None = Field(default=None, description="Azure")
    vault: VaultEntry | None = Field(default=None, description="Vault")
    tokens: dict[Annotated[str, AfterValidator(_tag)], Word] | None = Field(
        default=None, description="Audiences of other tokens, each by a name of your own"
    )


CLOUDS: dict[str, type[Entry]] = {
    "aws": AwsEntry,
    "google": GoogleEntry,
    "azure": AzureEntry,
    "vault": VaultEntry,
}
"""The form of each cloud."""


def read_identity(entry: IdentityEntry | None) -> Identity:
    """Return the domain's identity; none where the file names none."""
    if entry is None:
        return Identity()
    return Identity(tuple(_targets(entry)), entry.forks)


def _targets(entry: IdentityEntry) -> list[Target]:
    found = []
    if (aws := entry.aws) is not None:
        found.append(Target("aws", Cloud.AWS, aws.audience, aws.plan_role or "", aws.apply_role or ""))
    if (google := entry.google) is not None:
        found.append(
            Target(
                "google",
                Cloud.GOOGLE,
                google.audience or f"https://iam.googleapis.com/{google.provider}",
                google.plan_service_account or "",
                google.apply_service_account or "",
                {"provider": google.provider},
            )
        )
    if (azure := entry.azure) is not None:
        found.append(
            Target(
                "azure",
                Cloud.AZURE,
                azure.audience,
                azure.plan_client_id or "",
                azure.apply_client_id or "",
                _given(tenant_id=azure.tenant_id, subscription_id=azure.subscription_id),
            )
        )
    if (vault := entry.vault) is not None:
        settings = _given(address=vault.address, namespace=vault.namespace)
        found.append(Target("vault", Cloud.VAULT, vault.audience, settings=settings))
    found += [Target(tag, Cloud.OTHER, audience) for tag, audience in (entry.tokens or {}).items()]
    return found


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
