"""Promise 3: a worker may be killed at any moment; its Terraform still pushes its state, and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.services.ports import EngineJob
from bot.terraform.sandbox import SandboxMode
from tests.terraform.conftest import Onlooker, Rig

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
from bot.domain.runs.run import Modes
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import EngineJob, GitRemote, StateAccess, WatchSignal
from bot.terraform.programs.binaries import Binaries
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import Sandbox, SandboxMode
from bot.terraform.sandbox.fork_server import ForkServer

data, url, commit, address, password, mode = sys.argv[1:]

class Watch:
    def output(self, text):
        print(text, flush=True)
    def tick(self):
        return WatchSignal.GO_ON
    def initialized(self):
        pass

if mode == "served":
    mode = "auto"
    ForkServer.launch(("bot.terraform.running.apply_record", "bot.terraform.running.delivery"))
engine = TerraformEngine(Path(data), Binaries(), Sandbox(SandboxMode(mode)))
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


@pytest.mark.parametrize("mode", ["auto", "off", "served"])
def test_terraform_outlives_its_worker_only_to_push_its_state(rig: Rig, mode: str) -> None:
    lose_a_worker(rig, rig.job(SLOW), mode)
    assert rig.server.unlocked.wait(60)
    assert "terraform_data.first" in rig.server.resources
    until(lambda: rig.server.left)
    until(lambda: not at_work(rig.data))


def lose_a_worker(rig: Rig, job: EngineJob, mode: str) -> None:
    """Kill a worker while its Terraform makes the second resource."""
    access = rig.server.access()
    args = [str(rig.data), job.git.url, job.commit, access.address, access.password, mode]
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


def until(ask: Callable[[], object]) -> None:
    """Wait until something holds; after a minute the test fails."""
    deadline = time.monotonic() + 60
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found


@pytest.mark.parametrize("mode", ["auto", "off", "served"])
def test_a_lost_workers_state_that_nobody_takes_stays_here_and_is_delivered(rig: Rig, mode: str) -> None:
    job = rig.job(SLOW)
    rig.server.refuse_posts = True
    lose_a_worker(rig, job, mode)
    engine = rig.engine(sandbox=SandboxMode("auto" if mode == "served" else mode))
    # Whoever takes over on this machine waits for the end, and finds the state.
    done = engine.lost_apply("run-1", Onlooker())
    assert done is not None
    assert (done.succeeded, done.only_unsaved) == (False, False)
    assert [each["name"] for each in json.loads(done.errored_state)["resources"]] == ["first", "slow"]
    engine.clean("run-1")
    assert engine.left_state("run-1") == done.errored_state
    # On another machine nobody would find it: the supervisor delivers it by itself.
    until(lambda: rig.server.left)
    assert rig.server.left == [("failed", done.errored_state)]
    engine.state_stored("run-1")
    engine.clean("run-1")
    assert list((rig.data / "runs").iterdir()) == []
    until(lambda: not at_work(rig.data))
