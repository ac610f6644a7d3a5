"""Who there is and where: people with their tokens, repositories with their roles, apps and hooks."""

from __future__ import annotations

import itertools
import re
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING

from bot.playground.forge.apps import App, Installation
from bot.playground.forge.flavours import FLAVOURS, GITHUB, Flavour
from bot.playground.forge.model import (
    Credential,
    Event,
    Hook,
    Protection,
    Repo,
    Role,
    User,
    invalid,
    not_found,
    now,
)
from bot.playground.git.repositories import GitRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
# These are the server's own addresses.
_RESERVED = {"api", "login", "oauth", "playground", "static"}
INSTALLATION_TOKEN_LIFE = timedelta(hours=1)


class Registry:
    """People, repositories, apps and hooks. One lock guards everything that changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = RLock()
        self.users: dict[str, User] = {}
        self.repos: dict[str, Repo] = {}
        self.hooks: list[Hook] = []
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self._tokens: dict[str, Credential] = {}
        self.teams: dict[str, set[str]] = {}
        self._ids = itertools.count(1001)
        self._last = now()
        self._listeners: list[Callable[[Event], None]] = []
        self.add_user("web-flow", name="Playground", type="Bot")

    def next_id(self) -> int:
        """Give a number that nothing else in this forge has."""
        return next(self._ids)

    def moment(self) -> datetime:
        """Give the present moment to the millisecond, later than every one given before."""
        with self.lock:
            present = datetime.now(UTC)
            present = present.replace(microsecond=present.microsecond // 1_000 * 1_000)
            self._last = max(present, self._last + timedelta(milliseconds=1))
            return self._last

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Tell somebody of every event from now on, under the lock and in order."""
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Tell the listeners that something happened."""
        for listener in self._listeners:
            listener(event)

    # People

    def people(self) -> list[User]:
        """Tell who may be asked who they are: developers first, then the accounts of programs."""
        found = [user for user in self.users.values() if user.type == "User"]
        return sorted(found, key=lambda user: user.automation)

    def add_user(
        self,
        login: str,
        token: str | None = None,
        *,
        name: str = "",
        email: str = "",
        type: str = "User",
        automation: bool = False,
    ) -> User:
        """Register somebody, or give somebody registered one more token."""
        with self.lock:
            plain = login.removesuffix("[bot]")
            if not _NAME.fullmatch(plain) or plain.lower() in _RESERVED:
                raise invalid("login is not acceptable", "login", "invalid")
            user = self.users.get(login.lower())
            if user is None:
                address = email or f"{plain}@users.noreply.example.test"
                user = User(self.next_id(), login, name or plain, address, type, automation)
                self.users[login.lower()] = user
            if token:
                self._tokens[token] = Credential(user)
            return user

    def user(self, login: str) -> User:
        """Find somebody."""
        found = self.users.get(login.lower())
        if found is None:
            raise not_found()
        return found

    def new_token(self, login: str, prefix: str = "ghp_") -> str:
        """Give somebody a fresh token."""
        token = prefix + secrets.token_hex(20)
        self.add_user(login, token)
        return token

    def credential(self, token: str) -> Credential | None:
        """Tell whom a token stands for, if it is known and still good."""
        found = self._tokens.get(token)
        if found and found.expires_at and found.expires_at <= now():
            return None
        return found

    def revoke(self, token: str) -> None:
        """Make a token worthless from now on."""
        self._tokens.pop(token, None)

    def join(self, team: str, *logins: str) -> None:
        """Let people into a team (`acme/ops`), or a group, as a developer there."""
        with self.lock:
            self.teams.setdefault(team.lower(), set()).update(self.user(login).login for login in logins)

    # Repositories

    def create_repo(
        self,
        full_name: str,
        default_branch: str = "main",
        *,
        private: bool = False,
        description: str | None = None,
        flavour: str = GITHUB.name,
    ) -> Repo:
        """Make an empty repository. An owner that nobody has heard of becomes an organization.

        With slashes in it, the owner is a group within groups, as GitLab has them.
        """
        with self.lock:
            if flavour not in FLAVOURS:
                raise invalid(f"there is no flavour {flavour!r}", "flavour", "invalid")
            path = self._free_path(full_name, FLAVOURS[flavour])
            git = GitRepository.create(path, default_branch)
            repo = self._register(full_name, git, default_branch, private=private, description=description)
            repo.flavour = FLAVOURS[flavour]
            return repo

    def fork(self, repo: str | Repo, owner: str, name: str = "") -> Repo:
        """Copy a repository to another owner, its branches included."""
        with self.lock:
            source = self.repo(repo)
            full_name = f"{owner}/{name or source.name}"
            git = GitRepository.clone(source.git, self._free_path(full_name, source.flavour))
            copy = self._register(
                full_name,
                git,
                source.default_branch,
                private=source.private,
                description=source.description,
                parent=source,
            )
            copy.flavour = source.flavour
            return copy

    def delete_repo(self, repo: str | Repo) -> None:
        """Remove a repository. Pull requests that came from it keep only their commits."""
        with self.lock:
            gone = self.repo(repo)
            del self.repos[gone.full_name.lower()]
            for other in self.repos.values():
                for pull in other.pulls.values():
                    if pull.head_repo is gone:
                        pull.head_repo = None
            shutil.rmtree(gone.git.path, ignore_errors=True)

    def repo(self, repo: str | Repo) -> Repo:
        """Find a repository by its full name."""
        if isinstance(repo, Repo):
            return repo
        found = self.repos.get(repo.lower())
        if found is None:
            raise not_found()
        return found

    def _free_path(self, full_name: str, flavour: Flavour) -> Path:
        owner, _, name = full_name.rpartition("/")
        names = [*owner.split("/"), name]
        deep = len(names) > 2 and not flavour.groups_in_groups
        if deep or not all(map(_NAME.fullmatch, names)) or names[0].lower() in _RESERVED:
            raise invalid("name is not acceptable", "name", "invalid")
        if full_name.lower() in self.repos:
            raise invalid("name already exists on this account", "name", "already_exists")
        return self.root / owner / f"{name}.git"

    def _register(
        self,
        full_name: str,
        git: GitRepository,
        default_branch: str,
        *,
        private: bool,
        description: str | None,
        parent: Repo | None = None,
    ) -> Repo:
        login, _, name = full_name.rpartition("/")
        owner = self.users.get(login.lower()) or self._add_organization(login)
        repo = Repo(self.next_id(), owner, name, git, default_branch, private, description, parent)
        self.repos[full_name.lower()] = repo
        return repo

    def _add_organization(self, login: str) -> User:
        # A group within a group has no login of its own that somebody could register.
        group = User(self.next_id(), login, login.rpartition("/")[2], "", "Organization")
        self.users[login.lower()] = group
        return group

    # Roles

    def grant(self, repo: str | Repo, login: str, role: str) -> None:
        """Give somebody a role in a repository; `none` takes it away."""
        with self.lock:
            user = self.user(login)
            if role not in Role.__members__:
                raise invalid(f"there is no role {role!r}", "role", "invalid")
            self.repo(repo).roles[user.login] = Role[role]

    def role_of(self, repo: Repo, user: User | None) -> Role:
        """Tell what somebody (or anybody at all) may do in a repository."""
        anybody = Role.none if repo.private else Role.read
        if user is None:
            return anybody
        if user is repo.owner:
            return Role.admin
        return max(repo.roles.get(user.login, Role.none), self._role_of_bot(repo, user), anybody)

    def _role_of_bot(self, repo: Repo, user: User) -> Role:
        installed = self.installation_on(repo, user)
        return Role.write if installed else Role.none

    def protect(
        self,
        repo: str | Repo,
        branch: str,
        *,
        contexts: Sequence[str] = (),
        approvals: int = 0,
        queue: bool = False,
    ) -> None:
        """Ask for successful statuses and approvals before anything is merged; by a merge queue alone."""
        with self.lock:
            self.repo(repo).protections[branch] = Protection(tuple(contexts), approvals, queue)

    # Hooks and apps

    def add_hook(
        self,
        url: str,
        secret: str = "",
        *,
        events: Sequence[str] = ("*",),
        repo: str | Repo | None = None,
        flavour: str = "github",
    ) -> Hook:
        """Send events to an address from now on."""
        with self.lock:
            where = self.repo(repo) if repo else None
            hook = Hook(self.next_id(), url, secret, tuple(events), where, flavour)
            self.hooks.append(hook)
            return hook

    def remove_hook(self, hook: Hook) -> None:
        """Send no more events to an address."""
        with self.lock:
            self.hooks.remove(hook)

    def register_app(self, app_id: int, slug: str, public_key: str | None = None, *, owner: str = "") -> App:
        """Register an app; it comments and sets statuses as `<slug>[bot]`."""
        with self.lock:
            bot = self.add_user(f"{slug}[bot]", name=slug, type="Bot")
            holder = self.add_user(owner) if owner else self.add_user(f"{slug}-owner", type="Organization")
            self.apps[app_id] = App(app_id, slug, public_key, bot, holder)
            return self.apps[app_id]

    def install_app(self, app: App, account: str) -> Installation:
        """Let an app in to all repositories of an account."""
        with self.lock:
            holder = self.users.get(account.lower()) or self.add_user(account, type="Organization")
            installation = Installation(self.next_id(), app, holder)
            self.installations[installation.id] = installation
            return installation

    def installation_on(self, repo: Repo, bot: User | None = None) -> Installation | None:
        """Find the installation that covers a repository: any, or that of one bot."""
        for installation in self.installations.values():
            if installation.account is repo.owner and bot in (None, installation.app.bot):
                return installation
        return None

    def installation_token(self, installation: Installation) -> tuple[str, datetime]:
        """Give the app a token for one installation, good for an hour."""
        with self.lock:
            token, until = "ghs_" + secrets.token_hex(20), now() + INSTALLATION_TOKEN_LIFE
            self._tokens[token] = Credential(installation.app.bot, until, installation.id)
            return token, until
