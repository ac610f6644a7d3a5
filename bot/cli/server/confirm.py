"""Confirms that a name on a forge belongs to another repository or account than before."""

from __future__ import annotations

import click

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.services.ports.people import Named


@click.command()
@click.argument("kind", type=click.Choice([each.value for each in Named]))
@click.argument("name", metavar="FORGE:NAME")
def confirm(kind: str, name: str) -> None:
    """Accept a repository or account that has the name of an earlier one."""
    forge, _, rest = name.partition(":")
    services, _ = ready(configuration())
    services.identities.confirm(Named(kind), forge, rest, operator())
    click.echo(f"confirmed: {kind} {name}")
