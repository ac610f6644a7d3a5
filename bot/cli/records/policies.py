"""`plangate policy`: try policies before they are in force, with their tests and with recent plans."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bot.cli.loading import configuration, ready
from bot.cli.suggestions import SuggestingGroup
from bot.domain.errors import EngineError, Invalid
from bot.domain.policies.policy import PolicyCheck, PolicyOutcome
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.policies.programs import Programs
from bot.services.policies.stored_plans import ReplayedPlan, replay
from bot.services.ports import Files, PolicyTest
from bot.terraform.repository.set_files import read_folder
from bot.wiring.policies import policy_engine_of

# How many messages of a policy are shown of a difference.
_MOST_SHOWN = 5
_MISSING = "it is not there"
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OPA = click.option(
    "--opa",
    default="",
    help="OPA to use: the path of a program, a version, or `off`.",
)
_COMPARE = click.option(
    "--compare",
    is_flag=True,
    help="Use OPA and the bundled evaluator, and print every difference.",
)


@click.group(cls=SuggestingGroup)
def policy() -> None:
    """Try a policy set that is not in force yet."""


@policy.command()
@click.argument("folder", type=_FOLDER)
@_OPA
@_COMPARE
def test(folder: Path, opa: str, *, compare: bool) -> None:
    """Run the rules named `test_...` in a set's `*_test.rego` files; needs no configuration."""
    # On the author's own machine with the author's own files: no sandbox is needed.
    child = Child(lambda argv, _: argv)
    programs = Programs(opa, path=_path())
    files = read_folder(folder)
    engine = RegoEngine(child, programs)
    tests = engine.test(files)
    failed = [test for test in tests if test.why]
    for one in tests:
        verdict = click.style("failed", fg="red") if one.why else "passed"
        why = f": {one.why}" if one.why else ""
        click.echo(f"{verdict}  {one.file} {one.name}{why}")
    click.echo(
        f"{len(tests) - len(failed)} passed, {len(failed)} failed, by {engine.evaluator()}"
        if tests
        else f"{folder} has no tests: write rules named `test_...` in files `*_test.rego`"
    )
    differs = compare and _told(_test_differences(tests, _tested(_bundled(programs, child), files)))
    if failed or not tests or differs:
        sys.exit(1)


@policy.command("replay")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Number of plans, newest first.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    help="Package of the rules that Conftest's convention names. If not given: `main`.",
)
@_COMPARE
def replay_command(folder: Path, last: int, namespaces: tuple[str, ...], *, compare: bool) -> None:
    """Judge the plans of recent runs with a policy set, and show which it would stop. Changes nothing."""
    services, _ = ready(configuration())
    limits, files = services.config.policies.limits, read_folder(folder)
    packages = namespaces or ("main",)
    all_found = []
    for found in replay(services.store, services.policies, files, last, limits, packages):
        all_found.append(found)
        end = f"would have been {found.would_end.value}" if found.stopped else "would have passed"
        click.echo(f"{found.run.id}  {found.workspace.name}: {end} ({found.words})")
        for check in found.checks:
            for message in check.messages[:5]:
                click.echo(f"    {check.policy} ({check.level.value}, {check.outcome.value}): {message}")
    stopped = sum(found.stopped for found in all_found)
    click.echo(f"{stopped} of {len(all_found)} plans would have been stopped")
    if compare:
        bundled = policy_engine_of(services.config, services.sandbox, only_bundled=True)
        if all(check.evaluator == bundled.evaluator() for found in all_found for check in found.checks):
            raise EngineError("there is nothing to compare with: no OPA evaluated these policies")
        others = list(replay(services.store, bundled, files, last, limits, packages))
        if _told(_replay_differences(all_found, others)):
            sys.exit(1)


def _path() -> str:
    """Return the PATH of the author's shell."""
    return os.pathsep.join(os.get_exec_path())


def _bundled(programs: Programs, child: Child) -> RegoEngine:
    """Return the bundled evaluator. Raises EngineError if there is no OPA to compare it with."""
    if programs.find() is None:
        raise EngineError(f"there is nothing to compare with: {programs.lacking()}")
    return RegoEngine(child)


def _tested(engine: RegoEngine, files: Files) -> Sequence[PolicyTest] | str:
    """Return the results of the tests, or why the evaluator refuses the set."""
    try:
        return engine.test(files)
    except Invalid as error:
        return str(error)


def _told(differences: Iterator[str]) -> bool:
    """Print differences; return whether there are any."""
    told = False
    for line in differences:
        told = True
        click.echo(f"{click.style('differs', fg='red')}  {line}")
    if not told:
        click.echo("OPA and the bundled evaluator agree")
    return told


def _test_differences(by_opa: Sequence[PolicyTest], by_bundled: Sequence[PolicyTest] | str) -> Iterator[str]:
    if isinstance(by_bundled, str):
        yield f"the set: OPA: evaluated; bundled: {by_bundled}"
        return
    mine, others = ({(one.file, one.name): one.why for one in found} for found in (by_opa, by_bundled))
    for file, name in dict.fromkeys((*mine, *others)):
        said, other = (found.get((file, name), _MISSING) for found in (mine, others))
        if bool(said) != bool(other):
            yield f"{file} {name}: OPA: {said or 'passed'}; bundled: {other or 'passed'}"


def _replay_differences(by_opa: Sequence[ReplayedPlan], by_bundled: Sequence[ReplayedPlan]) -> Iterator[str]:
    others = {found.run.id: {check.policy: check for check in found.checks} for found in by_bundled}
    for found in by_opa:
        mine = {check.policy: check for check in found.checks}
        of_run = others.get(found.run.id, {})
        for policy in dict.fromkeys((*mine, *of_run)):
            said, other = mine.get(policy), of_run.get(policy)
            if said is None or other is None or _results(said) != _results(other):
                yield f"{found.run.id} {policy}: OPA: {_shown(said)}; bundled: {_shown(other)}"


def _results(check: PolicyCheck) -> tuple[PolicyOutcome, int, list[str]]:
    return check.outcome, check.total, sorted(check.messages)


def _shown(check: PolicyCheck | None) -> str:
    if check is None:
        return _MISSING
    return ", ".join([check.outcome.value, *check.messages[:_MOST_SHOWN]])
