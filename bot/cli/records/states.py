"""`plangate states`: list, show, download, roll back and import versions of a workspace's state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.records.output import as_json_option, echo_json, printable
from bot.domain.errors import Invalid
from bot.domain.states.file import StateContents
from bot.services.ports import StateVersion
from bot.services.states.backend import STATE_LIMIT
from bot.wiring import Services


@click.group()
def states() -> None:
    """States of workspaces, version by version."""


@states.command("list")
@click.argument("workspace")
@click.option("--limit", default=30, show_default=True, help="How many versions.")
@as_json_option
def list_(workspace: str, limit: int, *, as_json: bool) -> None:
    """Show the versions of a workspace's state, newest first, refused ones too."""
    services, workspace_id = _services(workspace)
    with services.store.reading() as tx:
        found = tx.states.versions(workspace_id, limit)
        current = tx.states.current(workspace_id)
    if as_json:
        echo_json([_document(one, current) for one in found])
        return
    for one in found:
        click.echo(_line(one, current))
    if not found:
        click.echo(f"{workspace} has no state here yet")


@states.command()
@click.argument("workspace")
@click.argument("version", default="")
@as_json_option
def show(workspace: str, version: str, *, as_json: bool) -> None:
    """Show a version, by default the current one: outputs and resources, without secrets."""
    services, workspace_id = _services(workspace)
    found, contents = services.state_versions.show(workspace_id, operator(), version)
    with services.store.reading() as tx:
        current = tx.states.current(workspace_id)
    if as_json:
        echo_json({**_document(found, current), **_contents(contents)})
        return
    for line in _lines(found, current, contents):
        click.echo(line)


@states.command()
@click.argument("workspace")
@click.argument("version", default="")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write. Without it: standard output."
)
def download(workspace: str, version: str, output: Path | None) -> None:
    """Download a version, by default the current one. It contains secrets in plain text."""
    services, workspace_id = _services(workspace)
    found, data = services.state_versions.download(workspace_id, operator(), version)
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
    click.echo(f"{found.id} (serial {found.serial}) is in {output}", err=True)


@states.command()
@click.argument("workspace")
@click.argument("version")
@as_json_option
def rollback(workspace: str, version: str, *, as_json: bool) -> None:
    """Make an older version current again, as a new one. Infrastructure does not change: plan next."""
    services, workspace_id = _services(workspace)
    done = services.state_versions.roll_back(workspace_id, version, operator())
    if as_json:
        echo_json(_document(done, done))
    else:
        click.echo(f"{done.id} (serial {done.serial}) is current: {done.note}. Plan, to see what differs.")


@states.command()
@click.argument("workspace")
@click.argument("file", type=click.File("rb"))
@click.option("--force", is_flag=True, help="Accept a state of another lineage, or an older one.")
@as_json_option
def push(workspace: str, file: BinaryIO, *, force: bool, as_json: bool) -> None:
    """Store a state from a file (`-`: standard input), such as the output of `terraform state pull`."""
    services, workspace_id = _services(workspace)
    data = file.read(STATE_LIMIT + 1)
    if not data.strip():
        raise Invalid("the file is empty: it holds no state")
    done = services.state_versions.push(workspace_id, data, operator(), force=force)
    if as_json:
        echo_json({"changed": done is not None, **(_document(done, done) if done else {})})
    elif done is None:
        click.echo("it is the current state already")
    else:
        click.echo(f"{done.id} (serial {done.serial}) is current: {done.note}")


def _services(name: str) -> tuple[Services, str]:
    services, _ = ready(configuration())
    with services.store.reading() as tx:
        return services, tx.workspaces.named(name).id


def _line(one: StateVersion, current: StateVersion | None) -> str:
    mark = "*" if current is not None and one.id == current.id else "x" if one.refused else " "
    made = one.run_id or one.note or one.made_by
    refused = f"  refused: {one.refused}" if one.refused else ""
    return f"{mark} {one.id}  serial {one.serial:<4} {one.created_at:%Y-%m-%d %H:%M} UTC  {made}{refused}"


def _lines(one: StateVersion, current: StateVersion | None, contents: StateContents) -> Iterator[str]:
    yield _line(one, current)
    yield f"lineage {one.lineage}, md5 {one.md5}, {one.size} bytes"
    if contents.terraform_version:
        yield f"written by version {contents.terraform_version}"
    yield f"\n{len(contents.outputs)} outputs"
    for output in contents.outputs:
        value = "(sensitive)" if output.value is None else output.value
        yield f"  {printable(output.name)} = {printable(value)}"
    yield f"\n{len(contents.resources)} resources"
    for resource in contents.resources:
        count = f"  x {resource.instances}" if resource.instances != 1 else ""
        yield f"  {printable(resource.address)}{count}"


def _document(one: StateVersion, current: StateVersion | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "serial": one.serial,
        "lineage": one.lineage,
        "md5": one.md5,
        "size": one.size,
        "created_at": one.created_at.isoformat(),
        "run": one.run_id or None,
        "made_by": one.made_by or None,
        "note": one.note,
        "refused": one.refused or None,
        "current": current is not None and one.id == current.id,
    }


def _contents(contents: StateContents) -> dict[str, Any]:
    return {
        "terraform_version": contents.terraform_version,
        "outputs": [
            {"name": one.name, "type": one.type, "sensitive": one.sensitive, "value": one.value}
            for one in contents.outputs
        ],
        "resources": [
            {"address": one.address, "provider": one.provider, "instances": one.instances}
            for one in contents.resources
        ],
    }
