"""The only reader of the environment: only settings of the table can be read."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from bot.config.problems import Problems, did_you_mean, shown
from bot.config.table import SETTINGS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)

_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_TRUTH = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Environment:
    """Reads settings by name and notes problems; an invalid setting gets its default.

    So one start finds all problems. `known` has each name that was read, `secret_files` each
    file that a secret was read from.
    """

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self.known: set[str] = set()
        self.secret_files: list[Path] = []
        self.secret_values: list[str] = []

    def text(self, name: str) -> str:
        """Return a setting's text, its default if unset or blank. Raises KeyError off the table."""
        setting = _BY_NAME[name]
        value = self.secret(name) if setting.secret else self._raw(name)
        return value or setting.default

    def secret(self, name: str) -> str:
        """Return a secret from the variable, or from the file that `<name>_FILE` names; empty for none.

        The name may be missing in the table: a forge in plangate.yml can name its own variables.
        """
        value = self._secret(name)
        self.secret_values.append(value)
        return value

    def _secret(self, name: str) -> str:
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
        """Return the exact value of a variable that is not in the table; None if it is not set."""
        self.known.add(name)
        return self._environ.get(name)

    def secrets(self, name: str) -> tuple[str, ...]:
        """Return the secrets of a comma-separated setting, empty ones left out."""
        return tuple(part.strip() for part in self.secret(name).split(",") if part.strip())

    def url(self, name: str, fallback: str = "") -> str:
        """Return an http address without a trailing slash."""
        return self._read(name, lambda text: web_address(text) if text else fallback, fallback)

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return the addresses and networks of a comma-separated setting."""

        def read(text: str) -> tuple[Network, ...]:
            try:
                return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
            except ValueError as error:
                raise ValueError(
                    f"{error}: write addresses or networks with commas, such as 10.0.0.0/8, 192.0.2.7"
                ) from error

        return self._read(name, read, ())

    def mirror(self, name: str) -> str:
        """Return an address to download programs from: over https, or from this machine."""
        url = self.url(name)
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            self._problems.add(name, "programs are downloaded only over https: write it as https://host/path")
        return url

    def truth(self, name: str) -> bool:
        """Return a yes or no."""
        return self._read(name, _truth, False)

    def duration(self, name: str) -> timedelta:
        """Return a length of time such as `1h30m`."""
        return self._read(name, parse_duration, timedelta())

    def seconds(self, name: str, least: int) -> timedelta:
        """Return a duration given as a whole number of seconds, `least` or more."""

        def read(text: str) -> timedelta:
            if not text.isascii() or not text.isdigit() or not least <= int(text) <= 86_400:
                raise ValueError(f"{shown(text)} must be a number of seconds from {least} to 86400")
            return timedelta(seconds=int(text))

        return self._read(name, read, timedelta(seconds=least))

    def number(self, name: str, most: int, least: int = 0) -> int:
        """Return a whole number from `least` to `most`."""

        def read(text: str) -> int:
            if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
                raise ValueError(f"{shown(text)} must be a number from {least} to {most}")
            return int(text)

        return self._read(name, read, least)

    def folder(self, name: str) -> Path | None:
        """Return the absolute path of a folder that must exist, None if unset."""

        def read(text: str) -> Path | None:
            if not text:
                return None
            path = Path(text).expanduser().absolute()
            if not path.is_dir():
                raise ValueError(f"there is no folder {shown(path)}: create it, or leave {name} unset")
            return path

        return self._read(name, read, None)

    def file(self, name: str) -> Path | None:
        """Return the absolute path of a file that must exist, None if unset."""

        def read(text: str) -> Path | None:
            if not text:
                return None
            path = Path(text).expanduser().absolute()
            if not path.is_file():
                raise ValueError(f"there is no file {shown(path)}: create it, or leave {name} unset")
            return path

        return self._read(name, read, None)

    def choice(self, name: str, choices: type[_E], fallback: _E) -> _E:
        """Return one of a closed set of words, ignoring case."""

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
        raise ValueError(
            f"{shown(text)} is not a valid duration: write it with units, such as 90s, 2h or 1h30m"
        )
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
            f"{shown(text)} is not a valid web address: write it as https://host or https://host:port/path"
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
        raise ValueError(f"{shown(text)} is not valid: write true or false")
    return _TRUTH[text.casefold()]
