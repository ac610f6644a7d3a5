"""A kind of forge as one value: its configuration, its webhooks, its client and its sign-in.

Each folder of `bot/forges` creates one. `bot/forges/kinds.py` lists them. No other code asks for the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bot.domain.events import ForgeEvent, Ignored, RepoRef
from bot.services.ports.deliveries import Delivery
from bot.services.ports.forge import Forge, Hook
from bot.services.ports.meter import Meter
from bot.services.ports.people import SignIn
from bot.services.ports.world import Clock

_EVERY_KIND_HAS = frozenset({"webhook_secret", "client_id", "client_secret"})


@dataclass(frozen=True)
class ForgeSetting:
    """A value that a kind of forge reads from the environment.

    Its variable is `PLANGATE_<KIND>_<ROLE>`, or the one that `<role>_env` names in plangate.yml. `label` is
    its short description there, `meaning` its description in the table of settings. Several forges may have a
    `shared` secret, because it is never sent to a forge.
    """

    role: str
    label: str
    meaning: str
    secret: bool = True
    shared: bool = False


@dataclass(frozen=True)
class ForgeValues:
    """The environment's values for one forge.

    `values` go by role, empty if unset. `variables` are the names of the variables. `forge` is for
    messages: ` (forge `work`)`, or empty if plangate.yml names no forge.
    """

    values: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str]
    forge: str


ReportProblem = Callable[[str, str], None]
"""Reports a problem in the configuration: the role, and how to fix it."""


@dataclass(frozen=True)
class ForgeForm:
    """How a kind of forge is configured.

    `public_url` is the public instance. `api_url` derives the API's usual address from a web address.
    `api_url_key` says whether plangate.yml may set another one. `subgroups`: groups may contain groups, so a
    repository's path may have more than two parts, and a top-level group is a team. `enough` is the message
    that says which settings are needed. `login` returns our credentials, by role, and reports what
    is missing.

    The configuration reads `webhook_secret`, `client_id` and `client_secret` itself, so each form has these.
    """

    public_url: str
    api_url: Callable[[str], str]
    settings: tuple[ForgeSetting, ...]
    login: Callable[[ForgeValues, ReportProblem], Mapping[str, str]]
    enough: str
    api_url_key: bool = False
    subgroups: bool = False

    def __post_init__(self) -> None:
        if missing := _EVERY_KIND_HAS - {each.role for each in self.settings}:
            raise ValueError(f"a form of a forge lacks the settings {', '.join(sorted(missing))}")


@dataclass(frozen=True)
class OAuthClient:
    """The credentials of the App or application that people sign in with."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ForgeConfig:
    """One configured forge: its name in plangate.yml, its addresses without trailing slash, its secrets.

    `kind` is the name of its ForgeKind, `login` has our credentials, by role. A webhook is valid if any of
    `webhook_secrets` signed it, so that the secret can be rotated. Without `client` nobody can sign in.
    """

    name: str
    kind: str
    url: str
    api_url: str
    login: Mapping[str, str] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    client: OAuthClient | None = None


@dataclass(frozen=True)
class ForgeFault:
    """A problem on a forge, and how to fix it. Not `sure` if things may work all the same."""

    found: str
    advice: str
    sure: bool = True


class ForgeChecks(Protocol):
    """The forge's part of `plangate doctor`. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def clock_ahead(self) -> timedelta:
        """Return how far this machine's clock is ahead of the forge's clock."""
        ...

    def whoami(self) -> str:
        """Return the login of our credentials."""
        ...

    def lacking(self, repo: RepoRef, *, merges: bool = False, teams: bool = False) -> tuple[str, ...]:
        """Return the permissions in a repository that we lack for runs, merges or teams, in words."""
        ...

    def lacking_on(self, repo: RepoRef, branch: str) -> tuple[str, ...]:
        """Return the permissions on a branch (empty: the default one) that we lack for runs, in words."""
        ...

    def advice(self, repo: RepoRef, branch: str) -> tuple[ForgeFault, ...]:
        """Return the branch's settings that make webhooks or statuses unreliable."""
        ...

    def token_faults(self) -> tuple[ForgeFault, ...]:
        """Return the problems of our token."""
        ...

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
        """Return the problems of the webhooks for an address, as far as we may see webhooks."""
        ...


class ForgeClient(Forge, ForgeChecks, Protocol):
    """A forge's client: for runs and for `plangate doctor`."""


@dataclass(frozen=True)
class AccessToken:
    """A token that a forge gave us for a while: since when we have it, and until when it is valid."""

    token: str = field(repr=False)
    since: datetime
    until: datetime


class AccessTokens(Protocol):
    """Access tokens that our processes share. It may forget at any time, and never fails itself."""

    def get(self, name: str, spare: timedelta, fetch: Callable[[], AccessToken]) -> AccessToken:
        """Return the token of that name that is valid for longer than `spare`; if there is none, fetch it.

        `name` identifies the forge, the App and the account. Raises what `fetch` raises.
        """
        ...

    def drop(self, name: str, token: str) -> None:
        """Delete a token that the forge refused, unless another has taken its place."""
        ...


@dataclass(frozen=True)
class ForgeKind:
    """Everything about one kind of forge. `name` is used in plangate.yml, `title` is shown to people.

    `parse` reads a stored delivery. It raises Invalid if the body can't be read. `client` may share its
    access tokens with other processes, and counts its calls. `sign_in` is called only if the configuration
    has a client.
    """

    name: str
    title: str
    form: ForgeForm
    hook: Callable[[ForgeConfig, Clock], Hook]
    parse: Callable[[Delivery], ForgeEvent | Ignored]
    client: Callable[[ForgeConfig, AccessTokens, Meter], ForgeClient]
    sign_in: Callable[[ForgeConfig, OAuthClient], SignIn]


ForgeKinds = Mapping[str, ForgeKind]
"""All kinds of forges, by name."""
