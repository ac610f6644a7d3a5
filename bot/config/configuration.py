"""The whole configuration, read once at the start and never changed after."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from bot.config.explain import read_manifest
from bot.config.forges import LOOPBACK, ForgeConfig, read_forges, unencrypted
from bot.config.keeping import read_keeping
from bot.config.owners import read_owners
from bot.config.policies import PolicySettings, read_policies
from bot.config.problems import Problems, did_you_mean
from bot.config.settings import Environment, fernet_key
from bot.config.table import NEW_KEY, SETTINGS
from bot.config.variables import read_variables
from bot.config.workspaces import read_rules, read_workspaces
from bot.config.written import Written, read_written
from bot.domain.accounts import Account
from bot.domain.discovery import DiscoverRule
from bot.domain.errors import ConfigError
from bot.domain.policy_sets import PolicySet
from bot.domain.variables import Declared
from bot.domain.workspace import Workspace
from bot.services.forgetting import Keeping

_DATABASE = re.compile(r"(sqlite|postgres|postgresql|postgresql\+psycopg)://.*", re.DOTALL)
_REDIS = re.compile(r"(redis|rediss|unix)://.+")
# Where programs are found, how the network is reached and whom it trusts; nothing else of the environment.
PASSED_ON = (
    "PATH",
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")


class SandboxMode(StrEnum):
    """Whether Terraform runs in a sandbox: where there is one, always, or never."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Config:
    """Everything that is set from outside. Addresses have no trailing slash; paths are absolute.

    `secret_keys` are Fernet keys, the newest first. `local_admin` is empty where nobody is. `secret_files`
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
    sandbox: SandboxMode
    plan_timeout: timedelta
    apply_timeout: timedelta
    lease: timedelta
    sweep: timedelta
    cool_off: timedelta
    state_lock_grace: timedelta
    plan_age: timedelta
    siblings: int
    owners: tuple[Account, ...]
    session_idle: timedelta
    session_life: timedelta
    policies: PolicySettings
    keeping: Keeping
    local_admin: str
    log_level: LogLevel
    variables: Declared = field(default_factory=Declared, repr=False)
    written: Written = field(default_factory=Written, repr=False)
    secret_files: tuple[Path, ...] = ()
    passed_on: Mapping[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read the environment and the plangate.yml that it names.

        Raises ConfigError, whose message lists all problems at once, each with what to write instead.
        """
        problems = Problems()
        env = Environment(environ, problems)
        config_file = Path(env.text("PLANGATE_CONFIG")).expanduser().absolute()
        manifest, document = read_manifest(config_file, problems)
        forges = read_forges(manifest, document, env, problems)
        variables = read_variables(manifest, document, env, config_file.parent, problems)
        data = Path(env.text("PLANGATE_DATA")).expanduser().absolute()
        url = _public_url(env, problems)
        config = cls(
            config_file=config_file,
            data=data,
            url=url,
            internal_url=env.url("PLANGATE_INTERNAL_URL", fallback=url),
            secret_keys=_secret_keys(env, problems),
            database_url=_database_url(env, data, problems),
            redis_url=_redis_url(env, problems),
            forges=forges,
            workspaces=read_workspaces(manifest),
            discover=read_rules(manifest),
            terraform_dir=env.folder("PLANGATE_TERRAFORM_DIR"),
            terraform_from_path=env.truth("PLANGATE_TERRAFORM_FROM_PATH"),
            terraform_keys=env.file("PLANGATE_TERRAFORM_KEYS"),
            terraform_checksums=env.file("PLANGATE_TERRAFORM_CHECKSUMS"),
            terraform_mirror=_mirror(env, "PLANGATE_TERRAFORM_MIRROR", problems),
            tofu_mirror=_mirror(env, "PLANGATE_TOFU_MIRROR", problems),
            provider_mirror=env.folder("PLANGATE_PROVIDER_MIRROR"),
            sandbox=env.choice("PLANGATE_SANDBOX", SandboxMode, SandboxMode.REQUIRED),
            plan_timeout=env.duration("PLANGATE_PLAN_TIMEOUT"),
            apply_timeout=env.duration("PLANGATE_APPLY_TIMEOUT"),
            lease=env.seconds("PLANGATE_LEASE_SECONDS", least=2),
            sweep=env.seconds("PLANGATE_SWEEP_SECONDS", least=1),
            cool_off=env.duration("PLANGATE_CANCEL_COOL_OFF"),
            state_lock_grace=env.duration("PLANGATE_STATE_LOCK_GRACE"),
            plan_age=env.duration("PLANGATE_PLAN_AGE"),
            siblings=env.number("PLANGATE_REPLAN_SIBLINGS", most=1000),
            owners=read_owners(env, forges, problems),
            session_idle=env.duration("PLANGATE_SESSION_IDLE"),
            session_life=env.duration("PLANGATE_SESSION_LIFE"),
            policies=read_policies(env, manifest, problems),
            keeping=read_keeping(env, problems),
            local_admin=_local_admin(env, url, problems),
            log_level=env.choice("PLANGATE_LOG_LEVEL", LogLevel, LogLevel.INFO),
            variables=variables,
            written=read_written(manifest, document),
            secret_files=tuple(env.secret_files),
            passed_on={name: environ[name] for name in PASSED_ON if environ.get(name)},
            warnings=(*_unknown(environ, env), *unencrypted(forges)),
        )
        problems.refuse()
        return config

    @property
    def policy_sets(self) -> tuple[PolicySet, ...]:
        """The policy sets of plangate.yml, in its order."""
        return self.policies.sets

    def require_redis(self) -> str:
        """Return Redis's address. Raises ConfigError where none is set."""
        if self.redis_url is None:
            raise ConfigError(
                "REDIS_URL: is not set: the web and the workers need a Redis or Valkey, such as "
                "redis://localhost:6379/0 (`plangate demo` brings its own)"
            )
        return self.redis_url

    def forge(self, name: str) -> ForgeConfig:
        """Return the forge of that name. Raises ConfigError where there is none."""
        for forge in self.forges:
            if forge.name == name:
                return forge
        known = did_you_mean(name, (forge.name for forge in self.forges))
        raise ConfigError(f"there is no forge `{name}` in {self.config_file.name}; {known}")


def _mirror(env: Environment, name: str, problems: Problems) -> str:
    url = env.url(name)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        problems.add(name, "programs are downloaded over https alone: write it as https://host/path")
    return url


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
        problems.add("PLANGATE_SECRET_KEY", f"is not set: make a key with {NEW_KEY} and keep it safe")
    for index, key in enumerate(keys, start=1):
        if not fernet_key(key):
            which = f"key {index} of {len(keys)} " if len(keys) > 1 else ""
            problems.add("PLANGATE_SECRET_KEY", f"{which}is no Fernet key: make one with {NEW_KEY}")
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
        problems.add("PLANGATE_LOCAL_ADMIN", "is no login: letters, digits, `-`, `_`, `.` and `@`")
    elif login and urlsplit(url).hostname not in LOOPBACK:
        # Behind a proxy on this machine everybody comes from the loopback address.
        problems.add(
            "PLANGATE_LOCAL_ADMIN",
            "would make everybody administrator, for PLANGATE_URL is not this machine's own address "
            "(http://127.0.0.1:port): unset it",
        )
    return login


def _unknown(environ: Mapping[str, str], env: Environment) -> Iterator[str]:
    known = {setting.name for setting in SETTINGS} | env.known
    for name in sorted(set(environ) - known):
        if name.startswith("PLANGATE_"):
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            yield f"{name} is set, but there is no such setting{hint}"
