"""`plangate workspaces`: list, lock and unlock workspaces."""

from __future__ import annotations

import click

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.records.output import as_json_option, echo_json, workspace_document, workspace_line
from bot.domain.workspaces.workspace import Workspace
from bot.wiring import Services


@click.group()
def workspaces() -> None:
    """Workspaces, and locks on them."""


@workspaces.command("list")
@as_json_option
def list_(*, as_json: bool) -> None:
    """Show the workspaces, who locked them, and how many runs are in their queues."""
    services, _ = ready(configuration())
    with services.store.reading() as tx:
        found = [(w, tx.states.locked(w.id), len(tx.runs.queue(w.id))) for w in tx.workspaces.all()]
    if as_json:
        echo_json([workspace_document(*one) for one in found])
        return
    for one in found:
        click.echo(workspace_line(*one))
    if not found:
        click.echo("there are no workspaces: add one to plangate.yml")


@workspaces.command()
@click.argument("workspace")
@click.argument("reason", default="")
@as_json_option
def lock(workspace: str, reason: str, *, as_json: bool) -> None:
    """Lock a workspace. New runs wait, previews still run."""
    services, _ = ready(configuration())
    _say(services, services.workspace_locks.lock(workspace, operator(), reason), as_json)


@workspaces.command()
@click.argument("workspace")
@click.option("--force", is_flag=True, help="Unlock it even if somebody else locked it.")
@click.option("--state", is_flag=True, help="Release Terraform's lock on the state that a lost run left.")
@as_json_option
def unlock(workspace: str, *, force: bool, state: bool, as_json: bool) -> None:
    """Unlock a workspace. The next run in its queue starts."""
    services, _ = ready(configuration())
    if state:
        _say(services, services.workspace_locks.release_state(workspace, operator()), as_json)
    else:
        _say(services, services.workspace_locks.unlock(workspace, operator(), force=force), as_json)


def _say(services: Services, workspace: Workspace, as_json: bool) -> None:
    with services.store.reading() as tx:
        one = (workspace, tx.states.locked(workspace.id), len(tx.runs.queue(workspace.id)))
    if as_json:
        echo_json(workspace_document(*one))
    else:
        click.echo(workspace_line(*one))
