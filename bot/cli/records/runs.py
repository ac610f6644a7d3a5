"""`plangate runs`: queue plans, list and show runs, and confirm, discard, cancel or retry them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.records.output import (
    as_json_option,
    echo_json,
    event_document,
    printable,
    run_document,
    run_line,
    run_lines,
)
from bot.domain.plans.modes import make_modes
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.plans.plan_text import kept_text
from bot.services.ports import RunQuery, Transaction
from bot.services.runs.queue_plan import PlanOptions
from bot.wiring import Services

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def runs() -> None:
    """Runs of workspaces."""


@runs.command()
@click.argument("workspace")
@click.option("--destroy", is_flag=True, help="Plan to destroy all resources.")
@click.option("--refresh-only", is_flag=True, help="Only update the state from the real infrastructure.")
@click.option("--replace", multiple=True, metavar="ADDRESS", help="Replace this resource. Can be repeated.")
@click.option(
    "--target", multiple=True, metavar="ADDRESS", help="Only this resource or module. Can be repeated."
)
@click.option(
    "--plan-only", is_flag=True, help="A preview: starts without waiting for the queue, can't be applied."
)
@click.option("--message", "-m", default="", help="Title of the run.")
@as_json_option
def queue(
    workspace: str,
    replace: tuple[str, ...],
    target: tuple[str, ...],
    message: str,
    *,
    destroy: bool,
    refresh_only: bool,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Queue a plan on the current commit of a workspace's branch."""
    modes = make_modes(destroy=destroy, refresh_only=refresh_only, replace=replace, target=target)
    services, _ = ready(configuration())
    options = PlanOptions(modes, plan_only, message)
    _say(services, services.manual_runs.queue_plan(workspace, operator(), options), as_json)


@runs.command("list")
@click.argument("workspace", required=False)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in RunStatus]),
    help="Only these statuses. Can be repeated.",
)
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many runs.")
@as_json_option
def list_(workspace: str | None, statuses: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """Show the runs of a workspace, or of all, newest first."""
    services, _ = ready(configuration())
    with services.store.reading() as tx:
        place = tx.workspaces.named(workspace) if workspace else None
        query = RunQuery(
            workspace_id=place.id if place else None, statuses=frozenset(statuses) or None, limit=limit
        )
        found = tx.runs.find(query)
        if as_json:
            echo_json([_document(services, tx, run) for run in found])
        else:
            for run in found:
                click.echo(run_line(tx, run))
            if not found:
                click.echo("no runs found")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--plan", is_flag=True, help="Print its plan as well.")
@as_json_option
def show(run_id: str, *, plan: bool, as_json: bool) -> None:
    """Show a run: its status, the possible actions, and its timeline."""
    services, _ = ready(configuration())
    with services.store.reading() as tx:
        run = tx.runs.get(run_id)
        if as_json:
            timeline = [event_document(event) for event in tx.runs.timeline(run.id)]
            echo_json({**_document(services, tx, run), "timeline": timeline})
            return
        for line in run_lines(tx, run, operator(), services.clock.now(), services.config.cool_off):
            click.echo(line)
        text = kept_text(tx, run.id) if plan else None
        if plan:
            click.echo(f"\n{printable(text.plain())}" if text else "\nthis run has no plan")
        for each in text.at_apply if text else ():
            click.echo(printable(f"at apply, {each.address} {each.words}"))


def _acts(command: _F) -> _F:
    """Add the argument and options that all actions on a run share."""
    comment = click.option("--comment", default="", help="Reason, for the timeline.")
    return click.argument("run_id", metavar="RUN")(comment(as_json_option(command)))


@runs.command()
@_acts
def confirm(run_id: str, comment: str, *, as_json: bool) -> None:
    """Confirm a waiting run: its plan is applied."""
    services, _ = ready(configuration())
    _say(services, services.controls.confirm(run_id, operator(), comment), as_json)


@runs.command()
@_acts
def discard(run_id: str, comment: str, *, as_json: bool) -> None:
    """Discard a run that waits for confirmation. The next one in the queue starts."""
    services, _ = ready(configuration())
    _say(services, services.controls.discard(run_id, operator(), comment), as_json)


@runs.command()
@click.option("--force", is_flag=True, help="Kill a run that an earlier cancel did not end.")
@_acts
def cancel(run_id: str, comment: str, *, force: bool, as_json: bool) -> None:
    """Stop a run. Terraform finishes its step first."""
    services, _ = ready(configuration())
    act = services.controls.force_cancel if force else services.controls.cancel
    _say(services, act(run_id, operator(), comment), as_json)


@runs.command()
@click.argument("run_id", metavar="RUN")
@as_json_option
def retry(run_id: str, *, as_json: bool) -> None:
    """Create a run like a finished one, on the same commit."""
    services, _ = ready(configuration())
    _say(services, services.controls.retry(run_id, operator()), as_json)


def _say(services: Services, run: Run, as_json: bool) -> None:
    with services.store.reading() as tx:
        if as_json:
            echo_json(_document(services, tx, run))
            return
        click.echo(run_line(tx, run))
    click.echo(f"    {services.addresses.run(run.id)}")


def _document(services: Services, tx: Transaction, run: Run) -> dict[str, Any]:
    return run_document(tx, run, operator(), services.clock.now(), services.config.cool_off)
