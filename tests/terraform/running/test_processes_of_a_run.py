"""Which processes a run starts: what its worker knows already is not asked again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.domain.errors import EngineError
from bot.terraform.engine import TerraformEngine
from bot.terraform.programs import binaries as module
from bot.terraform.programs.binaries import Binaries
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.terraform.conftest import Onlooker, Rig

RESOURCE = 'resource "terraform_data" "x" {\n  input = "one"\n}\n'
_listening: list[list[str]] = []


def _hear(event: str, details: tuple[object, ...]) -> None:
    if event in ("subprocess.Popen", "plangate.command") and _listening:
        words = details[1] if event == "subprocess.Popen" else details[0]
        _listening[-1].append(_name([str(word) for word in words]))  # type: ignore[attr-defined]


def _name(argv: list[str]) -> str:
    """What a process is for: Git's or Terraform's command, or the program's name."""
    if "-c" in argv:
        return argv[argv.index("-c") + 3]  # after the call of the library, and the library
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


def test_a_run_starts_these_processes_and_no_other(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    module._ask.cache_clear()
    sandbox, binaries = Sandbox(SandboxMode.AUTO), Binaries()
    engine = TerraformEngine(rig.data, binaries, sandbox)
    job = rig.job(RESOURCE)

    with started() as warming:
        sandbox.describe()
        binaries.find(job.engine, job.version)
    assert warming == ["version"]

    with started() as first:
        engine.fetch(job, onlooker())
        plan = engine.plan(job, onlooker())
    # `git init` makes the repository's mirror, once; what files there are is part of some plans' digest.
    planning = ["plan", "show"] if sandbox.active else ["init", "plan", "show"]
    assert first == ["git init", "git fetch", "git ls-tree", "git read-tree", *planning]

    with started() as applied:
        assert engine.apply(job, plan, onlooker()).succeeded
    assert applied == ["apply"]

    engine.clean(job.run_id)
    with started() as again:
        engine.fetch(job, onlooker())
        plan = engine.plan(job, onlooker())
    # In a sandbox the runs of a commit share its files.
    laid_out = [] if sandbox.layers(rig.data) else ["git ls-tree", "git read-tree"]
    assert again == [*laid_out, *planning]

    # Confirmed hours later, by whichever worker: its tree is made anew.
    engine.clean(job.run_id)
    with started() as later:
        engine.apply(job, plan, onlooker())
    # Its saved plan has all that an `init` would bring.
    assert later == [*laid_out, *([] if sandbox.active else ["init"]), "apply"]

    newer = rig.job({"main.tf": RESOURCE.replace("one", "two")})
    with started() as pushed:
        engine.fetch(newer, onlooker())
    changed = ["git checkout-index"] if sandbox.layers(rig.data) else []
    assert pushed == ["git fetch", "git ls-tree", "git read-tree", *changed]


def test_a_version_that_cannot_be_had_costs_a_run_nothing_but_its_refusal(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine = rig.engine()
    job = rig.job(RESOURCE, version="~> 0.12")
    with started() as found:
        try:
            engine.fetch(job, onlooker())
            words = ""
        except EngineError as error:
            words = str(error)
    assert words.startswith("Terraform ~> 0.12 is not on this worker: there is 1.")
    assert [name for name in found if name.startswith("git")] == []
    assert not (rig.data / "mirrors").exists()
