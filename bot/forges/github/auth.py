"""The bot's credentials on GitHub: one token, or an App with a token for each installation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from githubkit.auth.app import AppAuth

from bot.domain.errors import ConfigError, ForgeRefused, NotFound, NotLetIn
from bot.domain.events import RepoRef
from bot.forges.fields import flag, look, moment, number, optional_text, text
from bot.forges.github import webhook_setup
from bot.forges.github.api import Api, Ask
from bot.forges.github.app_manifest import EVENTS, FOR_MERGING, FOR_QUEUES, FOR_TEAMS, OPTIONAL, PERMISSIONS
from bot.forges.github.errors import NotPermitted
from bot.forges.github.hook_log import HookLog
from bot.forges.github.paths import repo_path, segment
from bot.services.ports import AccessToken, AccessTokens, ForgeFault

# Git may start a fetch a while after it got its token.
_TO_SPARE = timedelta(minutes=5)
# Used if GitHub's answer has no expiry; really an hour.
_LIFE = timedelta(minutes=15)
_READS_TEAMS = frozenset({"read:org", "write:org", "admin:org"})
# GitHub does not list the permissions of a fine-grained token: missing read access is found by trying.
_FINE_GRAINED = "github_pat_"
_PROBES = {
    "/commits/{}": "permission `contents: read`",
    "/commits/{}/statuses": "permission `statuses: write`",
    "/pulls": "permission `pull_requests: write`",
    "/issues/comments": "permission `issues: write`",
}
_LEVELS = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True)
class TokenLogin:
    """A person's or a machine account's token."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class AppLogin:
    """A GitHub App: its id and PEM key; the installation is looked up per repository unless it is fixed."""

    app_id: int
    private_key: str = field(repr=False)
    installation_id: int | None = None


class Credentials(Protocol):
    """The credentials as the client uses them. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def token(self, repo: RepoRef) -> str:
        """Return a token that is good for a while yet."""
        ...

    def forget(self, repo: RepoRef, older: timedelta = timedelta()) -> bool:
        """Drop the token if it is older, because GitHub refused it; return whether a new one may help."""
        ...

    def own_login(self) -> str:
        """Return the login that the bot's comments carry, in lower case."""
        ...

    def lacking(
        self, repo: RepoRef, *, merges: bool = False, teams: bool = False, queue: bool = False
    ) -> tuple[str, ...]:
        """Return in words the permissions that a run needs and they lack; empty if none.

        `merges`: changes of the repository are merged by itself; `teams`: members of teams are asked for;
        `queue`: a branch has a merge queue.
        """
        ...

    def ends(self) -> datetime | None:
        """Return when they expire, None if that is not known or they renew themselves."""
        ...

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
        """Return what is wrong with the webhooks that should lead to `url`."""
        ...

    def hook_log(self) -> HookLog:
        """Return the list of the deliveries of our webhooks."""
        ...


class _Unshared:
    """Access tokens of this process alone."""

    def get(self, name: str, spare: timedelta, fetch: Callable[[], AccessToken]) -> AccessToken:  # noqa: ARG002
        return fetch()

    def drop(self, name: str, token: str) -> None:
        pass


UNSHARED: AccessTokens = _Unshared()
"""No other process has tokens to share."""


def credentials(
    login: TokenLogin | AppLogin, api: Api, now: Callable[[], datetime], tokens: AccessTokens = UNSHARED
) -> Credentials:
    """Return what a login gives. Raises ConfigError if the token or key cannot be one."""
    if isinstance(login, AppLogin):
        return AppCredentials(login, api, now, tokens)
    return TokenCredentials(login, api)


class TokenCredentials:
    """One token for everything."""

    def __init__(self, login: TokenLogin, api: Api) -> None:
        if not login.token or not login.token.isascii() or not login.token.isprintable():
            raise ConfigError(f"{api.where}: the token is empty or has invalid characters")
        self._token = login.token
        self._api = api
        self._login = ""

    def token(self, repo: RepoRef) -> str:  # noqa: ARG002
        """Return the token."""
        return self._token

    def forget(self, repo: RepoRef, older: timedelta = timedelta()) -> bool:  # noqa: ARG002
        """Return that there is no other token."""
        return False

    def own_login(self) -> str:
        """Ask once whose token it is."""
        if not self._login:
            what = "the token's own account"
            found = self._api.call(self._token, Ask("GET", "/user", what)).data
            self._login = _field(self._api, found, "login", what)
        return self._login

    def lacking(
        self,
        repo: RepoRef,
        *,
        merges: bool = False,  # noqa: ARG002  write access is needed anyhow
        teams: bool = False,
        queue: bool = False,  # noqa: ARG002  its event is the webhook's
    ) -> tuple[str, ...]:
        """Ask for the permissions of the token's owner, and the scopes of a classic token."""
        found = self._api.call(self._token, Ask("GET", repo_path(repo), repo.path))
        lacks = []
        if not flag(found.data, "permissions.push"):
            lacks.append("write access (statuses need it)")
        enough = {"repo"} if look(found.data, "private") is not False else {"repo", "public_repo"}
        if found.scopes is not None and not found.scopes & enough:
            lacks.append(f"the token's scope `{min(enough, key=len)}`")
        if self._token.startswith(_FINE_GRAINED):
            branch = segment(optional_text(found.data, "default_branch") or "main")
            lacks += [said for path, said in _PROBES.items() if not self._reads(repo, path.format(branch))]
        if teams and found.scopes is not None and not found.scopes & _READS_TEAMS:
            lacks.append("the token's scope `read:org` (members of teams)")
        return tuple(lacks)

    def _reads(self, repo: RepoRef, path: str) -> bool:
        try:
            self._api.call(self._token, Ask("GET", f"{repo_path(repo)}{path}", repo.path, {"per_page": 1}))
        except NotPermitted:
            return False
        except NotFound:
            pass  # it is empty, and may be read
        return True

    def ends(self) -> datetime | None:
        """Ask when the token ends."""
        return self._api.call(self._token, Ask("GET", "/user", "the token's own account")).ends

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
        """Look at each repository's webhooks, as far as they are shown."""

        def ask(path: str, what: str) -> object:
            return self._api.call(self._token, Ask("GET", path, what)).data

        return tuple(fault for repo in repos for fault in webhook_setup.of_repo(ask, repo, url))

    def hook_log(self) -> HookLog:
        """Return the lists of the repositories' webhooks."""
        return HookLog(self._api, lambda ask: self._api.call(self._token, ask), of_app=False)


class AppCredentials:
    """A token for each account that installed the App, kept until shortly before it ends.

    It is shared with the other processes: most of them live for one run.
    """

    def __init__(self, login: AppLogin, api: Api, now: Callable[[], datetime], shared: AccessTokens) -> None:
        key = _checked_key(login.private_key, api.where)
        self._app = AppAuth(api.github, login.app_id, key)
        self._app_id = login.app_id
        self._fixed = login.installation_id
        self._shared = shared
        self._api = api
        self._now = now
        self._lock = Lock()
        self._installations: dict[str, int] = {}
        self._tokens: dict[str, AccessToken] = {}
        self._login = ""

    def token(self, repo: RepoRef) -> str:
        """Return the installation's token; two threads that need one at once fetch one."""
        with self._lock:
            return self._token(repo)

    def forget(self, repo: RepoRef, older: timedelta = timedelta()) -> bool:
        """Drop the account's token, for all processes, if it is older."""
        with self._lock:
            name = self._name(repo)
            kept = self._tokens.get(name)
            if kept is None or self._now() - kept.since < older:
                return False
            self._shared.drop(name, kept.token)
            return self._tokens.pop(name, None) is not None

    def own_login(self) -> str:
        """Ask once for the App's slug, which is in the login of its comments; nobody else can register it."""
        if not self._login:
            what = "the App itself"
            found = self._api.call(self._app.get_jwt(), Ask("GET", "/app", what)).data
            self._login = _field(self._api, found, "slug", what) + "[bot]"
        return self._login

    def lacking(
        self, repo: RepoRef, *, merges: bool = False, teams: bool = False, queue: bool = False
    ) -> tuple[str, ...]:
        """Ask which permissions the installation has. A newer request may not be accepted yet."""
        what = f"installation of the App on {repo.path}"
        ask = Ask("GET", f"{repo_path(repo)}/installation", what)
        try:
            found = self._api.call(self._app.get_jwt(), ask).data
        except NotFound as missing:
            raise self._not_installed(repo) from missing
        if look(found, "suspended_at"):
            return ("an installation that is not suspended",)
        spared = OPTIONAL - FOR_QUEUES if queue else OPTIONAL
        lacks = [
            f"permission `{name}: {level}`"
            for name, level in {
                **{each: level for each, level in PERMISSIONS.items() if each not in spared},
                **(FOR_MERGING if merges else {}),
                **(FOR_TEAMS if teams else {}),
            }.items()
            if _LEVELS.get(optional_text(found, f"permissions.{name}") or "", 0) < _LEVELS[level]
        ]
        events = look(found, "events")
        known = events if isinstance(events, list) else EVENTS
        return (*lacks, *(f"event `{name}`" for name in EVENTS if name not in {*known, *spared}))

    def ends(self) -> datetime | None:
        """Return None: its tokens are renewed."""
        return None

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:  # noqa: ARG002
        """Look at the App's one webhook."""

        def ask(path: str, what: str) -> object:
            return self._api.call(self._app.get_jwt(), Ask("GET", path, what)).data

        return tuple(webhook_setup.of_app(ask, url))

    def hook_log(self) -> HookLog:
        """Return the list of the App's one webhook."""
        return HookLog(self._api, lambda ask: self._api.call(self._app.get_jwt(), ask), of_app=True)

    def _token(self, repo: RepoRef) -> str:
        name = self._name(repo)
        kept = self._tokens.get(name)
        if kept is None or kept.until - _TO_SPARE <= self._now():
            kept = self._shared.get(name, _TO_SPARE, lambda: self._fetched(repo))
            self._tokens[name] = kept
        return kept.token

    def _name(self, repo: RepoRef) -> str:
        """Return which account a token belongs to: an account has one installation of an App at a time."""
        account = f"installation {self._fixed}" if self._fixed else _owner(repo)
        return f"{self._api.url}: App {self._app_id} on {account}"

    def _fetched(self, repo: RepoRef) -> AccessToken:
        remembered = _owner(repo) in self._installations
        try:
            return self._installation_token(self._installation(repo))
        except NotFound as missing:
            self._installations.pop(_owner(repo), None)
            if not remembered:
                raise self._not_installed(repo) from missing
        # Installed again, the App has another installation there than the one remembered.
        return self._fetched(repo)

    def _not_installed(self, repo: RepoRef) -> ForgeRefused:
        # Not NotFound: that would read as if a person or a comment were missing.
        fixed = f" (it was told to use installation {self._fixed})" if self._fixed else ""
        return NotLetIn(
            f"{self._api.where}: the App is not installed on {repo.path}{fixed}: install it there"
        )

    def _installation(self, repo: RepoRef) -> int:
        if self._fixed:
            return self._fixed
        owner = _owner(repo)
        if owner not in self._installations:
            what = f"installation of the App on {repo.path}"
            ask = Ask("GET", f"{repo_path(repo)}/installation", what)
            found = self._api.call(self._app.get_jwt(), ask).data
            with self._api.expecting(what):
                self._installations[owner] = number(found, "id")
        return self._installations[owner]

    def _installation_token(self, installation: int) -> AccessToken:
        what = f"a token for installation {installation} of the App"
        ask = Ask("POST", f"/app/installations/{installation}/access_tokens", what)
        found = self._api.call(self._app.get_jwt(), ask).data
        with self._api.expecting(what):
            token = text(found, "token")
        return AccessToken(token, self._now(), moment(found, "expires_at") or self._now() + _LIFE)


def _field(api: Api, found: object, name: str, what: str) -> str:
    with api.expecting(what):
        return text(found, name).lower()


def _owner(repo: RepoRef) -> str:
    return repo.path.partition("/")[0].lower()


def _checked_key(pem: str, where: str) -> str:
    # Environment variables and secret stores often hold a PEM in one line.
    key = pem.replace("\\n", "\n").strip() + "\n"
    try:
        loaded = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own words may quote the key.
        raise ConfigError(f"{where}: the App's private key is not a PEM key without a password") from None
    if not isinstance(loaded, RSAPrivateKey):
        raise ConfigError(f"{where}: the App's private key should be an RSA key, as GitHub creates them")
    return key
