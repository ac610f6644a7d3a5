"""The table of settings, and the one reader of the environment: what is not in the table can't be read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from bot.config.problems import Problems, did_you_mean, shown

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)

NEW_KEY = "openssl rand -base64 32 | tr '+/' '-_'"
_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_TRUTH = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


@dataclass(frozen=True)
class Setting:
    """One environment variable. A secret may also be given as `<name>_FILE`, the path of a file with it.

    `default` is what is used where the variable is unset or empty; empty means none.
    """

    name: str
    default: str
    meaning: str
    secret: bool = False


_KEYS = f"Key that encrypts stored secrets; several, newest first, separated by commas. Make one: `{NEW_KEY}`"

SETTINGS: tuple[Setting, ...] = (
    Setting("PLANGATE_CONFIG", "plangate.yml", "Path of the file that names forges and workspaces"),
    Setting("PLANGATE_DATA", ".plangate", "Folder for the database, mirrors and caches"),
    Setting("PLANGATE_URL", "", "Address at which people reach the web pages; required"),
    Setting(
        "PLANGATE_INTERNAL_URL",
        "",
        "Address at which the workers' Terraform reaches the state backend; PLANGATE_URL where unset",
    ),
    Setting("PLANGATE_SECRET_KEY", "", _KEYS + "; required", secret=True),
    Setting(
        "DATABASE_URL",
        "",
        "`postgresql://user:password@host/name`, or SQLite in the data folder where unset",
        secret=True,
    ),
    Setting(
        "REDIS_URL",
        "",
        "`redis://host:6379/0`: Redis or Valkey, for the web and the workers; `plangate demo` brings its own",
        secret=True,
    ),
    Setting(
        "PLANGATE_GITHUB_WEBHOOK_SECRET",
        "",
        "Secret with which GitHub signs webhooks; several, with commas, while you change it; required",
        secret=True,
    ),
    Setting("PLANGATE_GITHUB_TOKEN", "", "Token of a GitHub user or bot; or give an App", secret=True),
    Setting("PLANGATE_GITHUB_APP_ID", "", "Id of the GitHub App; or give a token"),
    Setting("PLANGATE_GITHUB_APP_PRIVATE_KEY", "", "Private key (PEM) of the GitHub App", secret=True),
    Setting(
        "PLANGATE_GITLAB_WEBHOOK_SECRET",
        "",
        "Secret token, or signing token (`whsec_...`), of the webhooks on GitLab; several, with commas, "
        "while you change it; required for a forge of the kind `gitlab`",
        secret=True,
    ),
    Setting(
        "PLANGATE_GITLAB_TOKEN",
        "",
        "Project, group or personal access token of GitLab, with the scope `api`; required as well",
        secret=True,
    ),
    Setting(
        "PLANGATE_TERRAFORM_DIR",
        "",
        "Folder of Terraform and OpenTofu binaries: `terraform_1.9.5`, `tofu_1.8.0`, ...",
    ),
    Setting("PLANGATE_TERRAFORM_FROM_PATH", "true", "Whether `terraform` and `tofu` on PATH may be used"),
    Setting(
        "PLANGATE_TERRAFORM_KEYS",
        "",
        "File of OpenPGP keys: what is not here is downloaded, if one of them signed its checksum",
    ),
    Setting(
        "PLANGATE_TERRAFORM_CHECKSUMS",
        "",
        "File of lines `<sha256>  terraform_1.9.5_linux_amd64.zip`: these are downloaded without a key",
    ),
    Setting(
        "PLANGATE_TERRAFORM_MIRROR",
        "https://releases.hashicorp.com",
        "Address that Terraform is downloaded from, laid out as HashiCorp's",
    ),
    Setting(
        "PLANGATE_TOFU_MIRROR",
        "https://github.com/opentofu/opentofu/releases/download",
        "Address that OpenTofu is downloaded from; a mirror has `api.json` there too",
    ),
    Setting("PLANGATE_PROVIDER_MIRROR", "", "Folder that serves providers as a filesystem mirror"),
    Setting(
        "PLANGATE_SANDBOX",
        "auto",
        "`auto`: Terraform runs in a sandbox where the system offers one; `required`: never without; `off`",
    ),
    Setting("PLANGATE_PLAN_TIMEOUT", "2h", "How long a plan may take, such as `90s`, `2h` or `1h30m`"),
    Setting("PLANGATE_APPLY_TIMEOUT", "24h", "How long an apply may take"),
    Setting("PLANGATE_LEASE_SECONDS", "60", "Seconds after which a silent worker's run is taken from it"),
    Setting(
        "PLANGATE_CANCEL_COOL_OFF",
        "30s",
        "How long after a cancel an administrator may force it, such as `30s`",
    ),
    Setting(
        "PLANGATE_STATE_LOCK_GRACE",
        "15m",
        "How long Terraform must be silent, its worker lost, before its lock on the state is released",
    ),
    Setting(
        "PLANGATE_PLAN_AGE",
        "1h",
        "How old a plan may be that `/apply` applies as it is, if nothing has changed; else it plans again",
    ),
    Setting(
        "PLANGATE_REPLAN_SIBLINGS",
        "10",
        "How many other open changes of a workspace an apply has planned again; `0`: none, only marked",
    ),
    Setting("PLANGATE_SWEEP_SECONDS", "15", "Seconds between two looks for work that was lost"),
    Setting(
        "PLANGATE_LOCAL_ADMIN",
        "",
        "Login of the administrator who may sign in on this machine, with what `plangate sign-in` prints",
    ),
    Setting("PLANGATE_LOG_LEVEL", "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Environment:
    """Reads settings by name and notes what is wrong with them; a wrong one reads as its default.

    So every problem is found in one start. `known` holds each name that was asked for, `secret_files` each
    file that a secret was read from.
    """

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self.known: set[str] = set()
        self.secret_files: list[Path] = []

    def text(self, name: str) -> str:
        """Return a setting's text, its default where unset or blank. Raises KeyError off the table."""
        setting = _BY_NAME[name]
        value = self.secret(name) if setting.secret else self._raw(name)
        return value or setting.default

    def secret(self, name: str) -> str:
        """Return a secret from the variable, or from the file that `<name>_FILE` names; empty for none.

        The name may be off the table: a forge in plangate.yml may name variables of its own.
        """
        value, path = self._raw(name), self._raw(name + "_FILE")
        if not path:
            return value
        if value:
            self._problems.add(name, f"is set, and so is {name}_FILE: keep one of them")
            return value
        self.secret_files.append(Path(path).expanduser().absolute())
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._problems.add(name + "_FILE", f"can't read {shown(path)}: {why}")
            return ""
        if not value:
            self._problems.add(name + "_FILE", f"{shown(path)} is empty: put the secret into it")
        return value

    def exact(self, name: str) -> str | None:
        """Return what a variable off the table holds, to the letter; None where it is not set."""
        self.known.add(name)
        return self._environ.get(name)

    def secrets(self, name: str) -> tuple[str, ...]:
        """Return the secrets of a comma-separated setting, empty ones left out."""
        return tuple(part.strip() for part in self.secret(name).split(",") if part.strip())

    def url(self, name: str, fallback: str = "") -> str:
        """Return an http address without a trailing slash."""
        return self._read(name, lambda text: web_address(text) if text else fallback, fallback)

    def truth(self, name: str) -> bool:
        """Return a yes or no."""
        return self._read(name, _truth, False)

    def duration(self, name: str) -> timedelta:
        """Return a length of time such as `1h30m`."""
        return self._read(name, parse_duration, timedelta())

    def seconds(self, name: str, least: int) -> timedelta:
        """Return a length of time that is given as a whole number of seconds, `least` or more."""

        def read(text: str) -> timedelta:
            if not text.isascii() or not text.isdigit() or not least <= int(text) <= 86_400:
                raise ValueError(f"{shown(text)} is no number of seconds from {least} to 86400")
            return timedelta(seconds=int(text))

        return self._read(name, read, timedelta(seconds=least))

    def number(self, name: str, most: int) -> int:
        """Return a whole number from 0."""

        def read(text: str) -> int:
            if not text.isascii() or not text.isdigit() or int(text) > most:
                raise ValueError(f"{shown(text)} is no number from 0 to {most}")
            return int(text)

        return self._read(name, read, 0)

    def folder(self, name: str) -> Path | None:
        """Return the absolute path of a folder that must exist, None where unset."""

        def read(text: str) -> Path | None:
            if not text:
                return None
            path = Path(text).expanduser().absolute()
            if not path.is_dir():
                raise ValueError(f"there is no folder {shown(path)}: make it, or leave {name} unset")
            return path

        return self._read(name, read, None)

    def file(self, name: str) -> Path | None:
        """Return the absolute path of a file that must exist, None where unset."""

        def read(text: str) -> Path | None:
            if not text:
                return None
            path = Path(text).expanduser().absolute()
            if not path.is_file():
                raise ValueError(f"there is no file {shown(path)}: make it, or leave {name} unset")
            return path

        return self._read(name, read, None)

    def choice(self, name: str, choices: type[_E], fallback: _E) -> _E:
        """Return one of a closed set of words, in whatever case it is written."""

        def read(text: str) -> _E:
            for member in choices:
                if member.value.casefold() == text.casefold():
                    return member
            raise ValueError(f"{shown(text)} is not known; {did_you_mean(text, choices)}")

        return self._read(name, read, fallback)

    def _read(self, name: str, convert: Callable[[str], _T], fallback: _T) -> _T:
        try:
            return convert(self.text(name))
        except ValueError as error:
            self._problems.add(name, str(error))
            return fallback

    def _raw(self, name: str) -> str:
        self.known.add(name)
        return self._environ.get(name, "").strip()


def parse_duration(text: str) -> timedelta:
    """Read a length of time: days, hours, minutes, seconds, in that order. Raises ValueError."""
    found = _DURATION.fullmatch(text.casefold())
    parts = [int(part or 0) for part in found.groups()] if found and len(text) <= 20 else []
    if not any(parts) or sum(parts) > 10_000_000:
        raise ValueError(f"{shown(text)} is no length of time: write it with units, such as 90s, 2h or 1h30m")
    days, hours, minutes, seconds = parts
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def web_address(text: str) -> str:
    """Check an http address and return it without its trailing slash. Raises ValueError."""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not text.isprintable() or " " in text:
        raise ValueError(
            f"{shown(text)} is no web address: write it as https://host or https://host:port/path"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("the address must have no user, password, `?` or `#` in it")
    return text.rstrip("/")


def fernet_key(text: str) -> bool:
    """Whether a text is a Fernet key: 32 bytes in URL-safe base64."""
    try:
        return len(base64.b64decode(text.encode(), altchars=b"-_", validate=True)) == 32
    except (ValueError, binascii.Error):
        return False


def _truth(text: str) -> bool:
    if text.casefold() not in _TRUTH:
        raise ValueError(f"{shown(text)} is neither yes nor no: write true or false")
    return _TRUTH[text.casefold()]
