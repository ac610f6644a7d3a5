"""`plangate why`: why a run or a change is where it is."""

from __future__ import annotations

import click

from bot.cli.records.output import as_json_option, echo_json, why_lines
from bot.cli.records.source import records


@click.command()
@click.argument("about", metavar="CHANGE|RUN")
@as_json_option
def why(about: str, *, as_json: bool) -> None:
    """Say why a run or a change is where it is, as `/why` does.

    A run is named by its id. A change is named by the address of its page on the forge, or by its repository
    and number, such as acme/infra#7.
    """
    with records() as them:
        found = them.why(about)
    if as_json:
        return echo_json(found)
    for line in why_lines(found):
        click.echo(line)
