"""The command line: `plangate`. Every command reads the same configuration as the servers do."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from bot.domain.errors import PlangateError

COMMANDS = {
    "demo": ("bot.cli.demo", "Show the main job with real pushes, real Terraform and real workers."),
    "web": ("bot.cli.server.web", "Serve webhooks, Terraform's states and the pages."),
    "sign-in": ("bot.cli.server.web", "Print the local administrator's sign-in address and password."),
    "worker": ("bot.cli.server.worker", "Work on jobs."),
    "migrate": ("bot.cli.server.maintenance", "Bring the database's schema up to date."),
    "sync": (
        "bot.cli.server.maintenance",
        "Bring plangate.yml's workspaces and variables into the database.",
    ),
    "replay": (
        "bot.cli.server.maintenance",
        "Show a delivery's decisions; handle a waiting or failed one again.",
    ),
    "confirm": (
        "bot.cli.server.confirm",
        "Accept a repository or account that has the name of an earlier one.",
    ),
    "keys": ("bot.cli.server.keys", "Keys for encryption at rest."),
    "runs": ("bot.cli.records.runs", "Runs of workspaces."),
    "workspaces": ("bot.cli.records.workspaces", "Workspaces, and locks on them."),
    "variables": ("bot.cli.records.variables", "Variables of workspaces, and sets of them."),
    "policy": ("bot.cli.records.policies", "Try a policy set that is not in force yet."),
    "states": ("bot.cli.records.states", "States of workspaces, version by version."),
    "sessions": ("bot.cli.records.sessions", "Who is signed in on the pages."),
    "github-app": (
        "bot.cli.server.github_app",
        "Register a GitHub App in two clicks; save its secrets in files.",
    ),
    "doctor": ("bot.cli.doctor", "Check every part and say how to fix it; exit with 1 if one does not work."),
}
"""Each command's module, and the line about it in the list of commands."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for: `plangate --help` needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in sorted(COMMANDS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plangate")
def cli() -> None:
    """Plangate runs Terraform and OpenTofu from a Git forge, with Terraform Enterprise's run model."""


def main() -> None:
    """Run the command line; our own errors end it with their message."""
    try:
        cli()
    except PlangateError as error:
        click.secho(str(error), err=True, fg="red")
        sys.exit(1)
