"""The whole configuration, read once at the start and never changed after."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.config.file.isolation import RunSettings, read_run_settings
from bot.config.file.policies import PolicySettings, read_policies
from bot.config.file.positions import OptionPositions, read_written
from bot.config.file.validate import read_manifest
from bot.config.file.variables import read_variables
from bot.config.file.workspaces import read_rules, read_workspaces
from bot.config.forges import read_forges, unencrypted
from bot.config.notifications import NotificationSettings, read_notifications
from bot.config.organization import OrganizationSettings, read_organization
from bot.config.owners import read_owners
from bot.config.problems import Problems, did_you_mean
from bot.config.retention import read_keeping
from bot.config.run_tasks import RunTaskSettings, read_run_tasks
from bot.config.settings import LOOPBACK, Environment, Network, fernet_key
from bot.config.table import NEW_KEY, table
from bot.domain.errors import ConfigError
from bot.domain.people.accounts import Account
from bot.domain.policies.sets import PolicySet
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.variables import DeclaredVariables
from bot.domain.workspaces.workspace import Workspace
from bot.services.deliveries.catch_up import CatchUpSettings
from bot.services.ports import ForgeConfig, ForgeKinds, Limits
from bot.services.upkeep.retention import RetentionPeriods

_DATABASE = re.compile(r"(sqlite|postgres|postgresql|postgresql\+psycopg)://.*", re.DOTALL)
_REDIS = re.compile(r"(redis|rediss|unix)://.+")
# Search path, proxies and trusted certificates; nothing else of the environment.
PASSED_ON = (
    "PATH",
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
# Variables of programs that use a token, as the pages and the documentation name it.
_OF_PROGRAMS = {"PLANGATE_TOKEN", "PLANGATE_SERVER", "PLANGATE_ALLOW_HTTP"}
_SHORTEST_TOKEN = 16
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")


class LogStyle(StrEnum):
    """How a line of the log looks."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Config:
    """The whole configuration. Addresses have no trailing slash; paths are absolute.

    `secret_keys` are Fernet keys, the newest first. `local_admin` is empty if there is none. `secret_files`
    are hidden from Terraform; `passed_on` is what of the environment Git and Terraform may need. `warnings`
    are for the log: nothing that stops the start. What is secret is left out of the repr (promise 6).
    """

    config_file: Path
    data: Path
    url: str
    internal_url: str
    secret_keys: tuple[str, ...] = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    redis_without_password: bool
    start_wait: timedelta
    trusted_proxies: tuple[Network, ...]
    forges: tuple[ForgeConfig, ...]
    workspaces: tuple[Workspace, ...]
    discover: tuple[DiscoverRule, ...]
    terraform_dir: Path | None
    terraform_from_path: bool
    terraform_keys: Path | None
    terraform_checksums: Path | None
    terraform_mirror: str
    tofu_mirror: str
    provider_mirror: Path | None
    runs: RunSettings
    disk_free: int
    trees_disk: int
    plan_timeout: timedelta
    apply_timeout: timedelta
    lease: timedelta
    sweep: timedelta
    cool_off: timedelta
    state_lock_grace: timedelta
    state_patience: timedelta
    plan_age: timedelta
    shown_for: timedelta
    siblings: int
    forecasts: int
    drift_checks: int
    owners: tuple[Account, ...]
    organization: OrganizationSettings
    session_idle: timedelta
    session_life: timedelta
    policies: PolicySettings
    retention: RetentionPeriods
    catching_up: CatchUpSettings
    local_admin: str
    log_level: LogLevel
    metrics_tokens: tuple[str, ...] = field(default=(), repr=False)
    log_json: bool = False
    traces: str = ""
    secret_values: tuple[str, ...] = field(default=(), repr=False)
    variables: DeclaredVariables = field(default_factory=DeclaredVariables, repr=False)
    written: OptionPositions = field(default_factory=OptionPositions, repr=False)
    notifications: NotificationSettings = field(default_factory=NotificationSettings)
    run_tasks: RunTaskSettings = field(default_factory=RunTaskSettings)
    pool: str = ""
    secret_files: tuple[Path, ...] = ()
    passed_on: Mapping[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str], kinds: ForgeKinds) -> Config:
        """Read the environment and the plangate.yml that it names, which may have forges of these kinds.

        Raises ConfigError, whose message lists all problems at once, each with what to write instead.
        """
        problems = Problems()
        env = Environment(environ, problems)
        config_file = Path(env.text("PLANGATE_CONFIG")).expanduser().absolute()
        manifest, document = read_manifest(config_file, kinds, problems)
        forges = read_forges(manifest, document, env, kinds, problems)
        pool = env.text("PLANGATE_POOL")
        variables = DeclaredVariables()
        if not pool:  # a pool's workers declare no variables: they need none of these secrets
            variables = read_variables(manifest, document, env, kinds, config_file.parent, problems)
        data = Path(env.text("PLANGATE_DATA")).expanduser().absolute()
        url, runs = _public_url(env, problems), read_run_settings(env)
        config = cls(
            config_file=config_file,
            data=data,
            url=url,
            internal_url=env.url("PLANGATE_INTERNAL_URL", fallback=url),
            secret_keys=_secret_keys(env, problems),
            database_url=_database_url(env, data, problems),
            redis_url=_redis_url(env, problems),
            redis_without_password=env.truth("PLANGATE_REDIS_WITHOUT_PASSWORD"),
            start_wait=env.duration("PLANGATE_START_WAIT"),
            trusted_proxies=env.networks("PLANGATE_TRUSTED_PROXIES"),
            forges=forges,
            workspaces=read_workspaces(manifest, runs.network),
            discover=read_rules(manifest, runs.network),
            **_programs(env),
            runs=runs,
            **_limits(env),
            **_people(env, forges, problems),
            policies=read_policies(env, manifest.policy_sets or (), manifest.first_forge, problems),
            **_upkeep(env, problems),
            local_admin=_local_admin(env, url, problems),
            **_watching(env, problems),
            variables=variables,
            written=read_written(manifest, document),
            notifications=read_notifications(manifest, env, problems, sends=not pool),
            run_tasks=read_run_tasks(manifest, env, problems),
            pool=pool,
            secret_files=tuple(env.secret_files),
            secret_values=tuple(_to_hide(env)),
            passed_on={name: environ[name] for name in PASSED_ON if environ.get(name)},
            warnings=(*_unknown(environ, env, kinds), *unencrypted(forges)),
        )
        problems.refuse()
        return config

    @property
    def limits(self) -> Limits:
        """How long things may take."""
        return Limits(
            self.plan_timeout,
            self.apply_timeout,
            self.lease,
            report_lease=2 * self.lease,
            cool_off=self.cool_off,
            state_lock_grace=self.state_lock_grace,
            plan_age=self.plan_age,
            shown_for=self.shown_for,
            siblings=self.siblings,
            forecasts=self.forecasts,
            drift_checks=self.drift_checks,
            state_patience=self.state_patience,
        )

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that plangate.yml names, by name."""
        likes = (*self.workspaces, *(rule.like for rule in self.discover))
        return tuple(sorted({each.pool for each in likes if each.pool}))

    @property
    def policy_sets(self) -> tuple[PolicySet, ...]:
        """The policy sets of plangate.yml, in its order."""
        return self.policies.sets

    def require_redis(self) -> str:
        """Return Redis's address. Raises ConfigError if none is set."""
        if self.redis_url is None:
            raise ConfigError(
                "REDIS_URL is not set: the web and the workers need a Redis or Valkey, such as "
                "redis://localhost:6379/0 (`plangate demo` brings its own)"
            )
        return self.redis_url

    def forge(self, name: str) -> ForgeConfig:
        """Return the forge of that name. Raises ConfigError if there is none."""
        for forge in self.forges:
            if forge.name == name:
                return forge
        known = did_you_mean(name, (forge.name for forge in self.forges))
        raise ConfigError(f"there is no forge `{name}` in {self.config_file.name}; {known}")


def _people(env: Environment, forges: Sequence[ForgeConfig], problems: Problems) -> dict[str, Any]:
    return {
        "owners": read_owners(env, forges, problems),
        "organization": read_organization(env, problems),
        "session_idle": env.duration("PLANGATE_SESSION_IDLE"),
        "session_life": env.duration("PLANGATE_SESSION_LIFE"),
    }


def _limits(env: Environment) -> dict[str, Any]:
    return {
        "plan_timeout": env.duration("PLANGATE_PLAN_TIMEOUT"),
        "apply_timeout": env.duration("PLANGATE_APPLY_TIMEOUT"),
        "lease": env.seconds("PLANGATE_LEASE_SECONDS", least=2),
        "sweep": env.seconds("PLANGATE_SWEEP_SECONDS", least=1),
        "cool_off": env.duration("PLANGATE_CANCEL_COOL_OFF"),
        "state_lock_grace": env.duration("PLANGATE_STATE_LOCK_GRACE"),
        "state_patience": env.duration("PLANGATE_STATE_PATIENCE"),
        "plan_age": env.duration("PLANGATE_PLAN_AGE"),
        "shown_for": env.duration("PLANGATE_SHOWN_FOR"),
        "siblings": env.number("PLANGATE_REPLAN_SIBLINGS", most=1000),
        "forecasts": env.number("PLANGATE_FORECASTS", most=100),
        "drift_checks": env.number("PLANGATE_DRIFT_CHECKS", most=100),
    }


def _upkeep(env: Environment, problems: Problems) -> dict[str, Any]:
    calls = env.number("PLANGATE_CATCH_UP_CALLS", most=5000)
    catching_up = CatchUpSettings(env.duration("PLANGATE_CATCH_UP_EVERY"), calls)
    return {
        "retention": read_keeping(env, problems),
        "catching_up": catching_up,
        "disk_free": env.number("PLANGATE_DISK_FREE", most=1 << 30),
        "trees_disk": env.number("PLANGATE_TREES_DISK", most=1 << 30),
    }


def _watching(env: Environment, problems: Problems) -> dict[str, Any]:
    return {
        "log_level": env.choice("PLANGATE_LOG_LEVEL", LogLevel, LogLevel.INFO),
        "log_json": env.choice("PLANGATE_LOG_FORMAT", LogStyle, LogStyle.TEXT) is LogStyle.JSON,
        "traces": env.url("PLANGATE_TRACES") if env.text("PLANGATE_TRACES") else "",
        "metrics_tokens": _metrics_tokens(env, problems),
    }


def _programs(env: Environment) -> dict[str, Any]:
    """Read the sources of Terraform, OpenTofu and providers: the fields of Config by their names."""
    return {
        "terraform_dir": env.folder("PLANGATE_TERRAFORM_DIR"),
        "terraform_from_path": env.truth("PLANGATE_TERRAFORM_FROM_PATH"),
        "terraform_keys": env.file("PLANGATE_TERRAFORM_KEYS"),
        "terraform_checksums": env.file("PLANGATE_TERRAFORM_CHECKSUMS"),
        "terraform_mirror": env.mirror("PLANGATE_TERRAFORM_MIRROR"),
        "tofu_mirror": env.mirror("PLANGATE_TOFU_MIRROR"),
        "provider_mirror": env.folder("PLANGATE_PROVIDER_MIRROR"),
    }


def _public_url(env: Environment, problems: Problems) -> str:
    url = env.url("PLANGATE_URL")
    if not env.text("PLANGATE_URL"):
        problems.add(
            "PLANGATE_URL",
            "is not set: set it to the address people use, such as https://plangate.example.com",
        )
    return url


def _secret_keys(env: Environment, problems: Problems) -> tuple[str, ...]:
    keys = env.secrets("PLANGATE_SECRET_KEY")
    if not keys:
        problems.add("PLANGATE_SECRET_KEY", f"is not set: create a key with {NEW_KEY} and keep it safe")
    for index, key in enumerate(keys, start=1):
        if not fernet_key(key):
            which = f"key {index} of {len(keys)} " if len(keys) > 1 else ""
            problems.add("PLANGATE_SECRET_KEY", f"{which}is not a valid key: create one with {NEW_KEY}")
    return keys


def _database_url(env: Environment, data: Path, problems: Problems) -> str:
    url = env.text("DATABASE_URL") or f"sqlite:///{data}/plangate.db"
    if not _DATABASE.fullmatch(url):
        # The address is not repeated: it has a password in it (promise 6).
        problems.add("DATABASE_URL", "must start with postgresql:// or sqlite:///")
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


def _redis_url(env: Environment, problems: Problems) -> str | None:
    url = env.text("REDIS_URL")
    if url and not _REDIS.fullmatch(url):
        problems.add("REDIS_URL", "must start with redis://, rediss:// or unix://")
    return url or None


def _local_admin(env: Environment, url: str, problems: Problems) -> str:
    login = env.text("PLANGATE_LOCAL_ADMIN")
    if login and not _LOGIN.fullmatch(login):
        problems.add("PLANGATE_LOCAL_ADMIN", "is not a valid login: letters, digits, `-`, `_`, `.` and `@`")
    elif login and urlsplit(url).hostname not in LOOPBACK:
        # Behind a proxy on this machine, every request comes from the loopback address.
        problems.add(
            "PLANGATE_LOCAL_ADMIN",
            "would make everybody administrator, for PLANGATE_URL is not this machine's own address "
            "(http://127.0.0.1:port): unset it",
        )
    return login


def _metrics_tokens(env: Environment, problems: Problems) -> tuple[str, ...]:
    tokens = env.secrets("PLANGATE_METRICS_TOKEN")
    if any(
        len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() for token in tokens
    ):
        problems.add(
            "PLANGATE_METRICS_TOKEN",
            f"must have {_SHORTEST_TOKEN} or more letters and digits: create one with `openssl rand -hex 32`",
        )
    return tokens


def _to_hide(env: Environment) -> Iterator[str]:
    """Return what must never be in a line of the log: each secret, and the password in an address."""
    for value in env.secret_values:
        yield from (part.strip() for part in value.split(","))
        try:
            yield urlsplit(value).password or ""
        except ValueError:
            continue


def _unknown(environ: Mapping[str, str], env: Environment, kinds: ForgeKinds) -> Iterator[str]:
    known = {setting.name for setting in table(kinds)} | env.known
    for name in sorted(set(environ) - known - _OF_PROGRAMS):
        if name.startswith("PLANGATE_"):
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            yield f"{name} is set, but there is no such setting{hint}"
