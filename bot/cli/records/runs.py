"""`plangate runs`: queue plans, list, show and follow runs, and confirm, discard, cancel or retry them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from bot.cli.records.follow import await_pause, failed, follow_output, has_paused, show_output
from bot.cli.records.output import as_json_option, echo_json, printable, run_line, run_lines, word
from bot.cli.records.records import Document, PlanWish, Records
from bot.cli.records.source import records
from bot.cli.suggestions import SuggestingGroup
from bot.domain.plans.modes import make_modes
from bot.domain.runs.lifecycle import RunStatus

_F = TypeVar("_F", bound=Callable[..., Any])
_INTERRUPTED = 130

_wait_option = click.option(
    "--wait",
    is_flag=True,
    help="Wait until the run is finished or needs a person. Exit with 1 if it failed or was stopped.",
)


@click.group(cls=SuggestingGroup)
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
@_wait_option
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
    wait: bool,
    as_json: bool,
) -> None:
    """Queue a plan on the current commit of a workspace's branch."""
    modes = make_modes(destroy=destroy, refresh_only=refresh_only, replace=replace, target=target)
    with records() as them:
        _say(them, them.queue_plan(workspace, PlanWish(modes, plan_only, message)), wait, as_json)


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
    with records() as them:
        found = them.runs(workspace or "", statuses, limit)
    if as_json:
        return echo_json(found)
    for run in found:
        click.echo(run_line(run))
    if not found:
        click.echo("no runs found")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--plan", is_flag=True, help="Print its plan as well.")
@_wait_option
@as_json_option
def show(run_id: str, *, plan: bool, wait: bool, as_json: bool) -> None:
    """Show a run: its status, the possible actions, and its timeline."""
    with records() as them, _interruptible():
        run = await_pause(them, run_id) if wait else them.run(run_id)
        text = them.plan_text(run_id) if plan and not as_json else ""
    if as_json:
        echo_json(run)
    else:
        for line in run_lines(run):
            click.echo(line)
        if plan:
            click.echo(f"\n{printable(text)}" if text else "\nthis run has no plan")
    if wait and failed(run):
        sys.exit(1)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--stage",
    type=click.Choice(["plan", "apply"]),
    help="Only the output of this stage. Without it: of both.",
)
@click.option(
    "--follow",
    "-f",
    is_flag=True,
    help="Go on until the stage or the run has ended. Exit with 1 if the run failed or was stopped.",
)
def logs(run_id: str, stage: str | None, *, follow: bool) -> None:
    """Print what Terraform printed in a run."""
    with records() as them, _interruptible():
        if not follow:
            return show_output(them, run_id, stage or "")
        run = follow_output(them, run_id, stage or "")
    if has_paused(run):
        click.echo(f"{word(run['id'])} is {word(run['status'])}", err=True)
    if failed(run):
        sys.exit(1)


def _acts(command: _F) -> _F:
    """Add the argument and options that all actions on a run share."""
    comment = click.option("--comment", default="", help="Reason, for the timeline.")
    return click.argument("run_id", metavar="RUN")(comment(as_json_option(command)))


@runs.command()
@_wait_option
@_acts
def confirm(run_id: str, comment: str, *, wait: bool, as_json: bool) -> None:
    """Confirm a waiting run: its plan is applied."""
    _act(run_id, "confirm", comment, wait, as_json)


@runs.command()
@_acts
def discard(run_id: str, comment: str, *, as_json: bool) -> None:
    """Discard a run that waits for confirmation. The next one in the queue starts."""
    _act(run_id, "discard", comment, False, as_json)


@runs.command()
@click.option("--force", is_flag=True, help="Kill a run that an earlier cancel did not end.")
@_acts
def cancel(run_id: str, comment: str, *, force: bool, as_json: bool) -> None:
    """Stop a run. Terraform finishes its step first."""
    _act(run_id, "force-cancel" if force else "cancel", comment, False, as_json)


@runs.command()
@click.argument("run_id", metavar="RUN")
@_wait_option
@as_json_option
def retry(run_id: str, *, wait: bool, as_json: bool) -> None:
    """Create a run like a finished one, on the same commit."""
    _act(run_id, "retry", "", wait, as_json)


def _act(run_id: str, verb: str, comment: str, wait: bool, as_json: bool) -> None:
    with records() as them:
        _say(them, them.act(run_id, verb, comment), wait, as_json)


def _say(them: Records, run: Document, wait: bool, as_json: bool) -> None:
    """Print a run, after its end if that is waited for."""
    if wait:
        with _interruptible():
            waited = await_pause(them, run["id"])
        run = {name: waited[name] for name in run}
    if as_json:
        echo_json(run)
    else:
        click.echo(run_line(run))
        click.echo(f"    {word(run['url'])}")
    if wait and failed(run):
        sys.exit(1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """End with the exit code of an interrupted program at Ctrl-C, and without words: it was meant."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
