"""`plangate sessions`: who is signed in, and ending a person's sessions."""

from __future__ import annotations

import click

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.records.output import as_json_option, echo_json
from bot.cli.suggestions import SuggestingGroup
from bot.services.people.sessions import Sessions


@click.group(cls=SuggestingGroup)
def sessions() -> None:
    """Who is signed in on the pages."""


@sessions.command("list")
@as_json_option
def list_(*, as_json: bool) -> None:
    """Show who is signed in."""
    found = _sessions().signed_in(operator())
    if as_json:
        echo_json(
            [
                {
                    "login": one.account.login,
                    "forge": one.account.forge or None,
                    "sessions": one.sessions,
                    "seen_at": one.seen_at.isoformat(),
                }
                for one in found
            ]
        )
        return
    for one in found:
        click.echo(
            f"{one.account}  {one.sessions} session{'s' * (one.sessions != 1)}  {one.seen_at:%F %H:%M}"
        )
    if not found:
        click.echo("nobody is signed in")


@sessions.command()
@click.argument("login")
@click.option("--forge", help="Only those of this forge's account.")
@as_json_option
def end(login: str, forge: str | None, *, as_json: bool) -> None:
    """End every session of a person, who then has to sign in again. Tokens stay."""
    ended = _sessions().end_all(login, operator(), forge)
    if as_json:
        echo_json({"login": login, "ended": ended})
    else:
        click.echo(f"ended {ended} session{'s' * (ended != 1)} of {login}")


def _sessions() -> Sessions:
    services, _ = ready(configuration())
    return services.sessions
