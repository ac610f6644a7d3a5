"""Promise 3: a worker may be killed at any moment; its Terraform still pushes its state, and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLOW = """
resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "echo it has begun; exec sleep 300" }
}
"""
WORKER = """
import sys
from pathlib import Path
from bot.domain.events import RepoRef
from bot.domain.run import Modes
from bot.domain.workspace import EngineKind
from bot.services.ports import EngineJob, GitRemote, StateAccess, Stop
from bot.terraform.binaries import Binaries
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import Sandbox, SandboxMode

data, url, commit, address, password, mode = sys.argv[1:]

class Watch:
    def output(self, text):
        print(text, flush=True)
    def tick(self):
        return Stop.GO_ON
    def initialized(self):
        pass

engine = TerraformEngine(Path(data), Binaries(), Sandbox(SandboxMode(mode), Path(data)))
state = StateAccess(address, "run", password)
remote = GitRemote(RepoRef("test", "acme/infra"), url)
job = EngineJob("run-1", remote, commit, "", EngineKind.TERRAFORM, "", Modes(), state)
engine.fetch(job, Watch())
engine.apply(job, engine.plan(job, Watch()), Watch())
"""


def at_work(data: Path) -> list[str]:
    """The command lines of processes that have to do with a data directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(data) in command or where.startswith(str(data)):
            found.append(command)
    return found


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_terraform_outlives_its_worker_only_to_push_its_state(rig, mode):
    job = rig.job(SLOW)
    access = rig.server.access()
    args = [str(rig.data), job.remote.url, job.commit, access.address, access.password, mode]
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, *args], stdout=subprocess.PIPE, start_new_session=True
    ) as worker:
        assert worker.stdout is not None
        said = b""
        while b"(local-exec): it has begun" not in said:
            line = worker.stdout.readline()
            assert line, said.decode()
            said += line
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    assert rig.server.unlocked.wait(60)
    assert "terraform_data.first" in rig.server.resources
    deadline = time.monotonic() + 60
    while (left := at_work(rig.data)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
