"""`plangate web`: webhooks, states and pages, behind gunicorn."""

from __future__ import annotations

from typing import Any

import click
from gunicorn.app.base import BaseApplication

from bot.cli.loading import configuration, ready
from bot.web import create_app


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


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="Address and port to listen at.")
@click.option("--processes", default=2, show_default=True, help="Number of processes.")
@click.option("--threads", default=8, show_default=True, help="Number of threads in each.")
def web(bind: str, processes: int, threads: int) -> None:
    """Serve webhooks, Terraform's states and the pages."""
    services, _ = ready(configuration())
    options = {
        "bind": bind,
        "workers": processes,
        "threads": threads,
        "worker_class": "gthread",
        "preload_app": True,
        "loglevel": services.config.log_level.value.lower(),
        "control_socket_disable": True,
    }
    _Gunicorn(create_app(services), options).run()
