"""`plangate web`: webhooks, states and pages, over HTTP; `plangate sign-in`: how to get in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import click

from bot.cli.loading import configuration, ready, serving
from bot.cli.server.http_server import Listening, serve
from bot.domain.errors import ConfigError, PlangateError
from bot.services.people.local_sign_in import address, password
from bot.web import create_app
from bot.web.runs.live import Streams
from bot.wiring import Services

log = logging.getLogger(__name__)


def _how_to_sign_in(services: Services) -> str:
    """Say how the local administrator signs in: with the password on a terminal, without it in a log."""
    login = services.config.local_admin
    if sys.stderr.isatty():
        return f"{login} signs in at {address(services.addresses.public, services.vault)}"
    return f"{login} signs in with what `plangate sign-in` prints"


@click.command("sign-in")
def sign_in() -> None:
    """Print the local administrator's sign-in address and password.

    Needs the secret key and the database; nobody else can know the password.
    """
    services, _ = ready(configuration())
    if not services.config.local_admin:
        raise ConfigError("there is no local administrator: set PLANGATE_LOCAL_ADMIN to your login")
    click.echo(f"Login     {services.config.local_admin}")
    click.echo(f"Password  {password(services.vault)}")
    click.echo(f"Address   {address(services.addresses.public, services.vault)}")


def _address_to_listen_at(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    host, _, port = value.rpartition(":")
    if value.startswith("unix:") or (host and port.isascii() and port.isdigit() and int(port) < 2**16):
        return value
    raise click.BadParameter(f"{value!r} is not a valid address: write host and port, such as 0.0.0.0:8000")


@click.command()
@click.option(
    "--bind",
    default="127.0.0.1:8000",
    show_default=True,
    callback=_address_to_listen_at,
    help="Address and port to listen at.",
)
@click.option(
    "--processes", type=click.IntRange(min=1), default=2, show_default=True, help="Number of processes."
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Threads for pages in each process. Webhooks, states and streams get half as many more.",
)
def web(bind: str, processes: int, threads: int) -> None:
    """Serve webhooks, Terraform's states and the pages."""
    services = serving(configuration())
    if services.config.local_admin:
        click.echo(_how_to_sign_in(services), err=True)
    streams = Streams(max(threads // 2, 1))
    listening = Listening(bind, processes, threads, streams.most, services.config.log_level.value.lower())
    app = create_app(services, streams, services.config.trusted_proxies)

    def started(stops: Callable[[], bool]) -> None:
        streams.end_when(stops)
        try:
            # Only now does what a forge sends again arrive.
            services.failed_deliveries.hurry()
        except PlangateError as error:
            log.warning("failed deliveries are asked for later: %s", error)

    serve(app, listening, started)
