"""The command line: `plangate`. Commands read the servers' configuration, or ask a server elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click

from bot.cli.suggestions import SuggestingGroup
from bot.domain.errors import PlangateError


@dataclass(frozen=True)
class ListedCommand:
    """A command's module and the line about it. `asks_servers`: it works with --server, too."""

    module: str
    about: str
    asks_servers: bool = False


GROUPS: Mapping[str, Mapping[str, ListedCommand]] = {
    "Work with runs and workspaces (here, or on another machine with --server)": {
        "runs": ListedCommand("bot.cli.records.runs", "Runs of workspaces.", True),
        "workspaces": ListedCommand("bot.cli.records.workspaces", "Workspaces, and locks on them.", True),
        "variables": ListedCommand(
            "bot.cli.records.variables", "Variables of workspaces, and sets of them.", True
        ),
        "states": ListedCommand("bot.cli.records.states", "States of workspaces, version by version.", True),
        "why": ListedCommand(
            "bot.cli.records.why", "Say why a run or a change is where it is, as `/why` does.", True
        ),
        "policy": ListedCommand("bot.cli.records.policies", "Try a policy set that is not in force yet."),
    },
    "Serve": {
        "web": ListedCommand("bot.cli.server.web", "Serve webhooks, Terraform's states and the pages."),
        "worker": ListedCommand("bot.cli.server.worker", "Work on jobs."),
        "migrate": ListedCommand("bot.cli.server.maintenance", "Bring the database's schema up to date."),
        "sync": ListedCommand(
            "bot.cli.server.maintenance",
            "Bring plangate.yml's workspaces and variables into the database.",
        ),
    },
    "Set up and look after": {
        "demo": ListedCommand(
            "bot.cli.demo", "Show the main job with real pushes, real Terraform and real workers."
        ),
        "setup": ListedCommand(
            "bot.cli.server.setup",
            "Write plangate.yml, the settings with new keys, and units or a compose file.",
        ),
        "github-app": ListedCommand(
            "bot.cli.server.github_app", "Register a GitHub App in two clicks; save its secrets in files."
        ),
        "doctor": ListedCommand(
            "bot.cli.doctor", "Check every part and say how to fix it; exit with 1 if one does not work."
        ),
        "keys": ListedCommand("bot.cli.server.keys", "Keys for encryption at rest."),
        "backup": ListedCommand(
            "bot.cli.server.backup", "Write the whole database into an encrypted file, while the servers run."
        ),
        "restore": ListedCommand(
            "bot.cli.server.backup", "Read a backup into an empty database, of the same or the other kind."
        ),
        "replay": ListedCommand(
            "bot.cli.server.maintenance", "Show a delivery's decisions; handle a waiting or failed one again."
        ),
        "confirm": ListedCommand(
            "bot.cli.server.confirm", "Accept a repository or account that has the name of an earlier one."
        ),
        "sign-in": ListedCommand(
            "bot.cli.server.web", "Print the local administrator's sign-in address and password."
        ),
        "notifications": ListedCommand(
            "bot.cli.records.notifications", "Destinations of notifications, what was sent, and tests."
        ),
        "sessions": ListedCommand("bot.cli.records.sessions", "Who is signed in on the pages."),
        "sbom": ListedCommand(
            "bot.cli.server.sbom", "Print the installed packages as a CycloneDX bill of materials."
        ),
        "completion": ListedCommand(
            "bot.cli.completion", "Print the script that completes commands in a shell."
        ),
    },
}
"""The groups of the list of commands, in their order."""

COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}

EXAMPLES = (
    ("plangate demo", "see it work on this machine"),
    ("plangate doctor", "find out what is missing on a server"),
    ("plangate runs queue network-prod --wait", "plan, and wait for the plan"),
    ("plangate runs logs run-CKuwsxMGgMd2X7zS --follow", "read the output as it comes"),
    ("plangate --server https://plangate.example.com why acme/infra#7", "ask a server elsewhere"),
)


class LazyGroup(SuggestingGroup):
    """A group whose commands are imported when they are asked for: `plangate --help` needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(COMMANDS[cmd_name].module), cmd_name.replace("-", "_"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the groups of commands, without importing them, and examples."""
        widest = max(map(len, COMMANDS))
        for title, entries in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{widest}}", entry.about) for name, entry in entries.items()])
        with formatter.section("Examples"):
            for line, about in EXAMPLES:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
                formatter.write(f"{'':>{formatter.current_indent + 4}}{about}\n")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--server",
    metavar="ADDRESS",
    envvar="PLANGATE_SERVER",
    help="Ask this server, with the token in PLANGATE_TOKEN or ~/.config/plangate/token. Also by "
    "PLANGATE_SERVER.",
)
@click.option(
    "--allow-http",
    is_flag=True,
    envvar="PLANGATE_ALLOW_HTTP",
    help="Send the token over plain http to another machine: everybody on the way can read it.",
)
@click.version_option(package_name="plangate")
@click.pass_context
def cli(ctx: click.Context, server: str | None, *, allow_http: bool) -> None:  # noqa: ARG001
    """Plangate runs Terraform and OpenTofu from a Git forge, with Terraform Enterprise's run model."""
    entry = COMMANDS.get(ctx.invoked_subcommand or "")
    named = ctx.get_parameter_source("server") is click.core.ParameterSource.COMMANDLINE
    if server and named and entry is not None and not entry.asks_servers:
        able = ", ".join(name for name, each in COMMANDS.items() if each.asks_servers)
        raise click.UsageError(
            f"`plangate {ctx.invoked_subcommand}` works with this machine's settings, not with --server. "
            f"These work with it: {able}"
        )


def main() -> None:
    """Run the command line; our own errors end it with their message."""
    try:
        cli()
    except PlangateError as error:
        from bot.cli.records.output import printable  # noqa: PLC0415 -- only needed now

        click.secho(printable(str(error)), err=True, fg="red")
        sys.exit(1)
