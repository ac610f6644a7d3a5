"""`python -m tests.bench_runs [RUNS]`: what a plan and an apply cost the engine, one after the other.

Wall time and CPU of everything that a run starts, beside `terraform init` and `plan` by themselves. Only the
CPU of these processes is counted, so it can be compared on a machine that has other work too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.programs.binaries import Binaries, bundled_argv
from bot.terraform.running import apply_record, delivery, verified_plan
from bot.terraform.sandbox import SandboxMode, namespaces
from bot.terraform.sandbox.fork_server import ForkServer
from bot.terraform.sandbox.limits import RunLimits
from tests.support.journeys import resource as resource_of
from tests.terraform.conftest import Onlooker, Repository, Rig, StateServer

DIRECTORIES = 120
LIMITS = RunLimits(memory=4096, processes=1000, files=4096, file_size=4096, disk=8192, output=64)
_TICKS = os.sysconf("SC_CLK_TCK")
_started: list[str] = []


def _hear(event: str, details: tuple[object, ...]) -> None:
    if event == "plangate.command":
        _started.append(str(details))


class Meter:
    """Adds up what has been measured under each name: seconds, seconds of CPU, and Terraform's processes."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._found: dict[str, list[tuple[float, float, int]]] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        used, started, begun = self._used(), len(_started), time.perf_counter()
        yield
        took = time.perf_counter() - begun
        cost = took, self._used() - used, len(_started) - started
        self._found.setdefault(name, []).append(cost)

    def show(self) -> None:
        for name, costs in self._found.items():
            took, used, started = (statistics.median(each) for each in zip(*costs, strict=True))
            line = f"  {name:<20} {1000 * took:7.0f} ms   CPU {1000 * used:7.0f} ms"
            sys.stdout.write(f"{line}   commands {started:.0f}\n" if started else f"{line}\n")

    def _used(self) -> float:
        # Supervisors of applies are nobody's children, so they have become ours.
        time.sleep(0.1)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        own = sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, whose))
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return own + sum(map(int, fields[11:15])) / _TICKS


def bare(root: Path, number: int) -> Callable[[], None]:
    """Return what runs `terraform init` and `plan` of a directory by themselves."""
    folder = root / f"bare-{number}"
    folder.mkdir()
    (folder / "main.tf").write_text(resource_of("one", f"value {number}"))
    library = Binaries(use_path=False).find(EngineKind.TERRAFORM).library
    assert library is not None
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}

    def run() -> None:
        for argv in (["init", "-input=false"], ["plan", "-input=false", "-out=plan.tfplan"]):
            command = [*bundled_argv(library), *argv]
            subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)

    return run


def main(runs: int = 10) -> None:
    """Print the table."""
    sys.addaudithook(_hear)
    namespaces.adopt_orphans()
    verified_plan.warm_up()
    with tempfile.TemporaryDirectory(prefix="plangate-bench-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        rig = Rig(root, Repository(root / "upstream"), StateServer())
        engine = rig.engine(sandbox=SandboxMode.REQUIRED, run_limits=LIMITS, plugin_cache=root / "cache")
        server = ForkServer.launch((apply_record.__name__, delivery.__name__))
        meter = Meter(server)
        first = rig.job(
            {f"dir-{number}/main.tf": resource_of("one", f"value {number}") for number in range(DIRECTORIES)}
        )
        for number in range(-1, runs):
            place = f"dir-{number % DIRECTORIES}"
            job = dataclasses.replace(first, run_id=f"run-{place}", working_directory=place)
            rig.server.state = None
            # The first run warms up.
            measured = meter if number >= 0 else Meter(server)
            with measured.of("bare init + plan"):
                bare(root, number)()
            with measured.of("plan, its tree"):
                engine.fetch(job, Onlooker())
                plan = engine.plan(job, Onlooker())
            engine.clean(job.run_id)
            with measured.of("apply, its tree"):
                assert engine.apply(job, plan, Onlooker()).succeeded
            with measured.of("removal of the tree"):
                engine.clean(job.run_id)
        meter.show()
        server.close()
        rig.server.shutdown()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
