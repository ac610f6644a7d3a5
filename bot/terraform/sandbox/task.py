"""A command for the supervisor to look after, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bot.terraform.network.proxy import Upstream
from bot.terraform.network.rules import Rules
from bot.terraform.sandbox.closed import Enclosure
from bot.terraform.sandbox.limits import RunLimits


@dataclass(frozen=True)
class Network:
    """A run's way out: what it may reach, and the proxies that the machine needs."""

    rules: Rules
    upstream: Upstream = field(default_factory=lambda: Upstream({}))


@dataclass(frozen=True)
class Verdict:
    """How a command ended. `exceeded` names the limit for which it was stopped."""

    code: int
    exceeded: str = ""
    refused: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: bytes, code: int) -> Verdict:
        """Read what a supervisor wrote; `code` counts if that is nothing."""
        try:
            found = json.loads(text)
        except ValueError:
            return cls(code)
        return cls(found["code"], found["exceeded"], tuple(found["refused"]))


class Record(Protocol):
    """The record of a command that is kept for those who come after its worker. It keeps `descriptor` open.

    `ended` is told whether the worker is gone; it may take its time then.
    """

    descriptor: int

    def begun(self) -> None:
        """Note that the supervisor is at work."""
        ...

    def ended(self, verdict: Verdict, out: int, *, orphaned: bool) -> None:
        """Note how the command ended; its output is in `out`."""
        ...

    def close(self) -> None:
        """Let go of the descriptor, in the worker."""
        ...


@dataclass(frozen=True)
class Task:
    """A command to look after. `linger` is how many seconds it has once the worker is gone.

    `scratch` is the folder on whose disk the output lies.
    `folders` are counted for the limit on disk. `enclosure` is None without a sandbox, and `network` is None
    where the machine's network is shared. `record` is kept of commands that outlive their worker.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path
    scratch: Path
    linger: float
    limits: RunLimits = field(default_factory=RunLimits)
    folders: tuple[Path, ...] = ()
    enclosure: Enclosure | None = None
    network: Network | None = None
    record: Record | None = None
