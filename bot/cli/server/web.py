"""`plangate web`: webhooks, states and pages, behind gunicorn; `plangate sign-in`: how to get in."""

from __future__ import annotations

import sys
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from bot.cli.loading import configuration, ready
from bot.domain.errors import ConfigError
from bot.services.sign_in import address, password
from bot.web import create_app
from bot.web.live import Streams
from bot.wiring import Services


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our application, without its own command line."""

    def __init__(self, app: Any, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Any:
        return self._app


def _how_to_sign_in(services: Services) -> str:
    """Say how the local administrator signs in: with the password on a terminal, without it in a log."""
    login = services.config.local_admin
    if sys.stderr.isatty():
        return f"{login} signs in at {address(services.addresses.public, services.vault)}"
    return f"{login} signs in with what `plangate sign-in` prints"


@click.command("sign-in")
def sign_in() -> None:
    """Print where the local administrator signs in, and the password.

    Whoever has the secret key and the database can do so; nobody else knows the password.
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
    raise click.BadParameter(f"{value!r} is no address with a port up to 65535, such as 0.0.0.0:8000")


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
    help="Number of threads in each; half of them may stream.",
)
def web(bind: str, processes: int, threads: int) -> None:
    """Serve webhooks, Terraform's states and the pages."""
    services, _ = ready(configuration(), serves=True)
    if services.config.local_admin:
        click.echo(_how_to_sign_in(services), err=True)
    options: dict[str, Any] = {
        "bind": bind,
        "workers": processes,
        "threads": threads,
        "worker_class": "gthread",
        "preload_app": True,
        "loglevel": services.config.log_level.value.lower(),
        "control_socket_disable": True,
    }
    # Half of the threads may stream; the others answer.
    streams = Streams(threads // 2)
    options["post_worker_init"] = lambda worker: streams.end_when(lambda: not worker.alive)
    _Gunicorn(create_app(services, streams), options).run()
