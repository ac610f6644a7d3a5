"""The command line: `plangate`. Every command reads the same configuration as the servers do."""

from __future__ import annotations

import sys

import click

from bot.cli.demo import demo
from bot.cli.doctor import doctor
from bot.cli.github_app import github_app
from bot.cli.keys import keys
from bot.cli.operate import migrate, replay, sync
from bot.cli.policies import policy
from bot.cli.runs import runs
from bot.cli.states import states
from bot.cli.variables import variables
from bot.cli.web import sign_in, web
from bot.cli.worker import worker
from bot.cli.workspaces import workspaces
from bot.domain.errors import PlangateError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plangate")
def cli() -> None:
    """Plangate runs Terraform and OpenTofu from a Git forge, with Terraform Enterprise's run model."""


for command in (
    demo,
    web,
    sign_in,
    worker,
    migrate,
    sync,
    replay,
    keys,
    runs,
    workspaces,
    variables,
    policy,
    states,
    github_app,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; what goes wrong in a way that we have words for ends with those words."""
    try:
        cli()
    except PlangateError as error:
        click.secho(str(error), err=True, fg="red")
        sys.exit(1)
