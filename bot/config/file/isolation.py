"""How runs are shut in: the settings of the server, and what plangate.yml says for a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.config.file.manifest import Options
from bot.config.settings import Environment
from bot.domain.workspaces.isolation import Isolation, Network

_MOST_MEGABYTES, _MOST_COUNT = 1 << 24, 1 << 22


class SandboxMode(StrEnum):
    """Whether Terraform runs in a sandbox: always, where there is one, or never."""

    REQUIRED = "required"
    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True)
class RunSettings:
    """What holds for every run of this server.

    Limits are in megabytes, `processes` and `files` are counts; 0 means none. `network` is for workspaces
    that say nothing themselves.
    """

    sandbox: SandboxMode
    network: Network
    memory: int
    processes: int
    files: int
    file_size: int
    disk: int
    output: int


def read_run_settings(env: Environment) -> RunSettings:
    """Read them from the environment."""

    def megabytes(name: str) -> int:
        return env.number(f"PLANGATE_RUN_{name}", most=_MOST_MEGABYTES)

    return RunSettings(
        sandbox=env.choice("PLANGATE_SANDBOX", SandboxMode, SandboxMode.REQUIRED),
        network=env.choice("PLANGATE_NETWORK", Network, Network.FILTERED),
        memory=megabytes("MEMORY"),
        processes=env.number("PLANGATE_RUN_PROCESSES", most=_MOST_COUNT),
        files=env.number("PLANGATE_RUN_FILES", most=_MOST_COUNT),
        file_size=megabytes("FILE_SIZE"),
        disk=megabytes("DISK"),
        output=megabytes("OUTPUT"),
    )


def isolation_of(options: Options, usual: Network) -> Isolation:
    """Return a workspace's isolation, its defaults filled in already."""
    return Isolation(
        network=Network(options.network) if options.network else usual,
        egress=tuple(dict.fromkeys(options.egress or ())),
        providers=tuple(dict.fromkeys(options.providers or ())),
        own_providers=bool(options.own_providers),
    )
