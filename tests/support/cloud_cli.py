"""The real terraform as a client of Plangate: its configuration, its directory, its commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

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
    """A directory in which somebody works with the CLI."""

    program: str
    folder: Path
    url: str
    token: str

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "cli.tfrc").write_text(
            f'host "{HOST}" {{\n  services = {{\n'
            f'    "tfe.v2"   = "{self.url}/api/v2/"\n    "tfe.v2.1" = "{self.url}/api/v2/"\n  }}\n}}\n'
            f'credentials "{HOST}" {{\n  token = "{self.token}"\n}}\n'
        )

    def write(self, configuration: str, workspaces: str = 'name = "app"', cloud: str = "") -> None:
        """Write the configuration, with a `cloud` block unless another text is given for it."""
        block = cloud or (
            f'cloud {{\n    hostname     = "{HOST}"\n    organization = "plangate"\n'
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
        }
        done = subprocess.run(
            [self.program, *argv],
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


def terraform_on_path() -> str | None:
    """Return the terraform on PATH, None if there is none."""
    return shutil.which("terraform")
