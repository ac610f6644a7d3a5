"""The last act of the demo: the terraform CLI on somebody's laptop plans and applies through Plangate."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bot import wiring
from bot.demo.stage import Stage, StageError, kept_environment
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role

HOST, WORKSPACE = "plangate.demo", "laptop"
"""The host does not resolve: the CLI's configuration says where its services are."""

_SECONDS = 180
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

_FILES = f"""\
terraform {{
  cloud {{
    hostname     = "{HOST}"
    organization = "plangate"
    workspaces {{
      name = "{WORKSPACE}"
    }}
  }}
}}

resource "terraform_data" "hello" {{
  input = "from a laptop"
}}

output "hello" {{
  value = terraform_data.hello.output
}}
"""


@dataclass
class Laptop:
    """A folder with a small configuration, and the CLI. `program` is the terraform on PATH, if any."""

    stage: Stage
    program: str | None = field(default_factory=lambda: shutil.which("terraform"))

    @property
    def folder(self) -> Path:
        """Where the configuration is."""
        return self.stage.root / "laptop"

    def furnish(self) -> None:
        """Write the configuration, and a token of the local administrator for the CLI."""
        services = wiring.build(wiring.configured(self.stage.environment()))
        admin = services.config.local_admin
        token = services.tokens.make(Account("", admin), Person(admin, Role.NONE), "laptop", "admin", days=1)
        self.folder.mkdir()
        (self.folder / "main.tf").write_text(_FILES)
        settings = self.folder / "cli.tfrc"
        settings.touch(mode=0o600)
        settings.write_text(
            f'host "{HOST}" {{\n  services = {{\n    "tfe.v2" = "{self.stage.url}/api/v2/"\n  }}\n}}\n'
            f'credentials "{HOST}" {{\n  token = "{token}"\n}}\n'
        )

    def run(self, *argv: str) -> str:
        """Run a command of the CLI and return what it printed. Raises StageError if it fails."""
        assert self.program is not None
        variables = {
            **kept_environment(),
            "HOME": str(self.folder),
            "TF_CLI_CONFIG_FILE": str(self.folder / "cli.tfrc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        try:
            done = subprocess.run(
                [self.program, *argv, "-input=false", "-no-color"],
                cwd=self.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StageError(f"terraform {argv[0]} did not end well: {error}") from error
        text = _COLOURS.sub("", done.stdout)
        if done.returncode:
            raise StageError(f"terraform {argv[0]} ended with {done.returncode}. It printed:\n{text[-2000:]}")
        return text
