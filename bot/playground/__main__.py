"""`python -m bot.playground`: the forge in a process of its own, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from bot.playground.server import Playground


@click.command()
@click.option(
    "--root", type=click.Path(path_type=Path), required=True, help="Where the repositories are kept."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes any free port.")
@click.option("--webhook-url", default="", help="Where events are sent.")
@click.option("--webhook-secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--webhook-secret", envvar="PLAYGROUND_WEBHOOK_SECRET", default="", help="Better by environment."
)
@click.option("--admin-token", envvar="PLAYGROUND_ADMIN_TOKEN", default="", help="Better by environment.")
def main(
    root: Path,
    host: str,
    port: int,
    webhook_url: str,
    *,
    webhook_secret_file: Path | None,
    webhook_secret: str,
    admin_token: str,
) -> None:
    """Serve a small Git forge with GitHub's API."""
    secret = webhook_secret_file.read_text().strip() if webhook_secret_file else webhook_secret
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Playground(root, secret, host, port, admin_token=admin_token) as playground:
        if webhook_url:
            playground.add_hook(webhook_url)
        click.echo(f"playground ready at {playground.url}")
        stop.wait()


if __name__ == "__main__":
    main()
