"""`plangate states`: list, show, download, roll back and import versions of a workspace's state."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import click

from bot.cli.records.output import as_json_option, echo_json, state_line, state_lines, word
from bot.cli.records.source import records, records_here
from bot.cli.suggestions import SuggestingGroup
from bot.domain.errors import Invalid


@click.group(cls=SuggestingGroup)
def states() -> None:
    """States of workspaces, version by version."""


@states.command("list")
@click.argument("workspace")
@click.option("--limit", default=30, show_default=True, help="How many versions.")
@as_json_option
def list_(workspace: str, limit: int, *, as_json: bool) -> None:
    """Show the versions of a workspace's state, newest first, refused ones too."""
    with records() as them:
        found = them.states(workspace, limit)
    if as_json:
        return echo_json(found)
    for one in found:
        click.echo(state_line(one))
    if not found:
        click.echo(f"{workspace} has no state here yet")


@states.command()
@click.argument("workspace")
@click.argument("version", default="")
@as_json_option
def show(workspace: str, version: str, *, as_json: bool) -> None:
    """Show a version, by default the current one: outputs and resources, without secrets."""
    with records() as them:
        found = them.state(workspace, version)
    if as_json:
        return echo_json(found)
    for line in state_lines(found):
        click.echo(line)


@states.command()
@click.argument("workspace")
@click.argument("version", default="")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write. Without it: standard output."
)
def download(workspace: str, version: str, output: Path | None) -> None:
    """Download a version, by default the current one. It contains secrets in plain text."""
    with records() as them:
        found, data = them.state_data(workspace, version)
    if output is None:
        click.echo(data, nl=False)
        return
    try:
        # Never overwrites a file, and is readable only by its owner: it contains secrets (promise 6).
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"can't make {output}: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    click.echo(f"{word(found['id'])} (serial {found['serial']}) is in {output}", err=True)


@states.command()
@click.argument("workspace")
@click.argument("version")
@as_json_option
def rollback(workspace: str, version: str, *, as_json: bool) -> None:
    """Make an older version current again, as a new one. Infrastructure does not change: plan next."""
    done = records_here().roll_back(workspace, version)
    if as_json:
        return echo_json(done)
    click.echo(
        f"{done['id']} (serial {done['serial']}) is current: {done['note']}. Plan, to see what differs."
    )


@states.command()
@click.argument("workspace")
@click.argument("file", type=click.File("rb"))
@click.option("--force", is_flag=True, help="Accept a state of another lineage, or an older one.")
@as_json_option
def push(workspace: str, file: BinaryIO, *, force: bool, as_json: bool) -> None:
    """Store a state from a file (`-`: standard input), such as the output of `terraform state pull`."""
    them = records_here()
    data = file.read(them.largest_state + 1)
    if not data.strip():
        raise Invalid("the file is empty: it holds no state")
    done = them.push_state(workspace, data, force=force)
    if as_json:
        echo_json({"changed": done is not None, **(done or {})})
    elif done is None:
        click.echo("it is the current state already")
    else:
        click.echo(f"{done['id']} (serial {done['serial']}) is current: {done['note']}")
