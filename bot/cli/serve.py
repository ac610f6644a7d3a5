"""The long-running commands: `web` and `worker`."""

from __future__ import annotations

import logging
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker

from bot import jobs
from bot.cli.loading import configuration, ready
from bot.dispatch import QUEUES, RqDispatch
from bot.web import create_app

log = logging.getLogger(__name__)


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


class SweepingWorker(Worker):
    """An RQ worker that has the database swept whenever it is idle for a while (promise 3)."""

    sweeper: RqDispatch

    def run_maintenance_tasks(self) -> None:
        """Do RQ's own chores, and ask for a sweep."""
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]  # as RQ has it
        try:
            self.sweeper.sweep()
        except ConnectionError as error:
            log.warning("no sweep for now: %s", error)


@click.command()
@click.option("--queues", default=",".join(QUEUES), show_default=True, help="Queues, in order of priority.")
def worker(queues: str) -> None:
    """Work on jobs, one at a time, each in a process of its own. Start as many as you like."""
    names = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(QUEUES)):
        raise click.BadParameter(f"there is no queue {', '.join(unknown)}; there are {', '.join(QUEUES)}")
    config = configuration()
    ready(config)
    jobs.prepare()
    sweep = max(int(config.sweep.total_seconds()), 1)
    try:
        connection = Redis.from_url(config.require_redis())
        found = SweepingWorker(
            [Queue(name, connection=connection) for name in names],
            connection=connection,
            maintenance_interval=sweep,
            worker_ttl=sweep + 15,
            log_job_description=False,
        )
        found.sweeper = RqDispatch(config.require_redis())
        found.work(logging_level=config.log_level.value, with_scheduler=False)
    except RedisError as error:
        raise click.ClickException(f"Redis does not answer: {error}") from error
