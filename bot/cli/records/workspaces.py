"""`plangate workspaces`: list, lock and unlock workspaces."""

from __future__ import annotations

import click

from bot.cli.records.output import as_json_option, echo_json, workspace_line
from bot.cli.records.records import Document
from bot.cli.records.source import records
from bot.cli.suggestions import SuggestingGroup


@click.group(cls=SuggestingGroup)
def workspaces() -> None:
    """Workspaces, and locks on them."""


@workspaces.command("list")
@as_json_option
def list_(*, as_json: bool) -> None:
    """Show the workspaces, who locked them, and how many runs are in their queues."""
    with records() as them:
        found = them.workspaces()
    if as_json:
        return echo_json(found)
    for one in found:
        click.echo(workspace_line(one))
    if not found:
        click.echo("there are no workspaces: add one to plangate.yml")


@workspaces.command()
@click.argument("workspace")
@click.argument("reason", default="")
@as_json_option
def lock(workspace: str, reason: str, *, as_json: bool) -> None:
    """Lock a workspace. New runs wait, previews still run."""
    with records() as them:
        _say(them.lock(workspace, reason), as_json)


@workspaces.command()
@click.argument("workspace")
@click.option("--force", is_flag=True, help="Unlock it even if somebody else locked it.")
@click.option("--state", is_flag=True, help="Release Terraform's lock on the state that a lost run left.")
@as_json_option
def unlock(workspace: str, *, force: bool, state: bool, as_json: bool) -> None:
    """Unlock a workspace. The next run in its queue starts."""
    with records() as them:
        found = them.release_state(workspace) if state else them.unlock(workspace, force=force)
        _say(found, as_json)


def _say(workspace: Document, as_json: bool) -> None:
    if as_json:
        echo_json(workspace)
    else:
        click.echo(workspace_line(workspace))
