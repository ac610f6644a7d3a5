"""Trying policies before they are in force: their own tests, and the plans of the last runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot.cli.loading import configuration, ready
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.policy_replay import replay
from bot.terraform.set_files import read_folder

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def policy() -> None:
    """Try a policy set that is not in force yet."""


@policy.command()
@click.argument("folder", type=_FOLDER)
def test(folder: Path) -> None:
    """Run the rules named `test_...` in a set's `*_test.rego` files; needs no configuration."""
    # On the author's own machine, with files of their own: nothing to be closed in from.
    tests = RegoEngine(Child(lambda argv, _: argv)).test(read_folder(folder))
    failed = [test for test in tests if test.why]
    for one in tests:
        verdict = click.style("failed", fg="red") if one.why else "passed"
        why = f": {one.why}" if one.why else ""
        click.echo(f"{verdict}  {one.file} {one.name}{why}")
    click.echo(
        f"{len(tests) - len(failed)} passed, {len(failed)} failed"
        if tests
        else f"{folder} has no tests: write rules named `test_...` in files `*_test.rego`"
    )
    if failed or not tests:
        sys.exit(1)


@policy.command("replay")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many plans, the newest first.",
)
def replay_command(folder: Path, last: int) -> None:
    """Judge the plans of the last runs by a set, and say what it would have stopped. Changes nothing."""
    services, _ = ready(configuration())
    stopped = count = 0
    limits = services.config.policies.limits
    for found in replay(services.store, services.policies, read_folder(folder), last, limits):
        count += 1
        stopped += found.stopped
        end = f"would have been {found.would_end.value}" if found.stopped else "would have passed"
        click.echo(f"{found.run.id}  {found.workspace.name}: {end} ({found.words})")
        for check in found.checks:
            for message in check.messages[:5]:
                click.echo(f"    {check.policy} ({check.level.value}, {check.outcome.value}): {message}")
    click.echo(f"{stopped} of {count} plans would have been stopped")
