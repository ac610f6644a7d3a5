"""Which processes a run starts: what its worker knows already is not asked again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.terraform import binaries as module
from bot.terraform.binaries import LAUNCHER, Binaries
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import Sandbox, SandboxMode

RESOURCE = 'resource "terraform_data" "x" {\n  input = "one"\n}\n'
_listening: list[list[str]] = []


def _hear(event: str, details: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and _listening:
        argv = [str(word) for word in details[1]]  # type: ignore[attr-defined]
        _listening[-1].append(_name(argv))


def _name(argv: list[str]) -> str:
    """What a process is for: Git's or Terraform's command, or the program's name."""
    if str(LAUNCHER) in argv:
        # The last time that it is named: a sandbox may have mounts of that name before.
        launched = len(argv) - argv[::-1].index(str(LAUNCHER))
        return argv[launched + 2]  # after the seconds and the program
    name = Path(argv[0]).name
    return f"git {argv[2 if argv[1].startswith('--work-tree') else 1]}" if name == "git" else name


# An audit hook hears of every process that Python starts, and can't be taken away again.
sys.addaudithook(_hear)


@contextmanager
def started() -> Iterator[list[str]]:
    found: list[str] = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening.pop()


def test_a_run_starts_these_processes_and_no_other(rig, onlooker):
    module._ask.cache_clear()
    sandbox, binaries = Sandbox(SandboxMode.AUTO, rig.data), Binaries()
    engine = TerraformEngine(rig.data, binaries, sandbox)
    job = rig.job(RESOURCE)

    with started() as warming:
        sandbox.describe()
        binaries.find(job.engine, job.version)
    # The first is bubblewrap's trial, where there is one; the other asks the bundled Terraform.
    assert len(warming) in (1, 2)

    with started() as first:
        engine.fetch(job, onlooker())
        plan = engine.plan(job, onlooker())
    # `init` makes the repository's mirror, once; what files there are is part of some plans' digest.
    assert first == ["git init", "git fetch", "git read-tree", "git ls-tree", "init", "plan", "show"]

    with started() as applied:
        assert engine.apply(job, plan, onlooker()).succeeded
    assert applied == ["apply"]

    engine.clean(job.run_id)
    with started() as again:
        engine.fetch(job, onlooker())
        plan = engine.plan(job, onlooker())
    assert again == ["git read-tree", "git ls-tree", "init", "plan", "show"]

    # Confirmed hours later, by whichever worker: its tree is laid out anew.
    engine.clean(job.run_id)
    with started() as later:
        engine.apply(job, plan, onlooker())
    assert later == ["git read-tree", "git ls-tree", "init", "apply"]

    newer = rig.job({"main.tf": RESOURCE.replace("one", "two")})
    with started() as pushed:
        engine.fetch(newer, onlooker())
    assert pushed == ["git fetch", "git read-tree", "git ls-tree"]


def test_a_version_that_cannot_be_had_costs_a_run_nothing_but_its_refusal(rig, onlooker):
    engine = rig.engine()
    job = rig.job(RESOURCE, version="~> 0.12")
    with started() as found:
        try:
            engine.fetch(job, onlooker())
            words = ""
        except module.EngineError as error:
            words = str(error)
    assert words.startswith("Terraform ~> 0.12 is not on this worker: there is 1.")
    assert [name for name in found if name.startswith("git")] == []
    assert not (rig.data / "mirrors").exists()
