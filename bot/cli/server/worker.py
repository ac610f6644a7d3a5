"""`plangate worker`: works on jobs, and has the database swept."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from types import FrameType

import click
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.worker import WorkerStatus

from bot import jobs
from bot.cli.loading import configuration, ready
from bot.config import Config, LogLevel
from bot.dispatch import LIGHT_QUEUES, QUEUES, RqDispatch

log = logging.getLogger(__name__)

# Where web and workers share a few cores, a webhook's answer comes before a plan.
_NICENESS = 5

# In seconds: before a worker whose Redis went away looks for it again.
_PAUSE = 1.0


class PlangateWorker(Worker):
    """An RQ worker that forks for runs alone, and asks for a sweep when it is idle for a while (promise 3).

    What the light queues carry touches no code of a change; done here, it needs no fork, and the tokens that
    the forge gave out are still there for the next job.
    """

    sweeper: RqDispatch
    asked_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand, and then stop."""
        self.asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # as RQ has it

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Carry out a job: here, or in a process of its own where Terraform is at work."""
        if queue.name not in LIGHT_QUEUES:
            super().execute_job(job, queue)
            return
        execution = self.prepare_execution(job)
        self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)

    def run_maintenance_tasks(self) -> None:
        """Do RQ's own chores, and ask for a sweep."""
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]  # as RQ has it
        try:
            self.sweeper.sweep(self.maintenance_interval)
        except ConnectionError as error:
            log.warning("no sweep for now: %s", error)


@click.command()
@click.option("--queues", default=",".join(QUEUES), show_default=True, help="Queues, in order of priority.")
def worker(queues: str) -> None:
    """Work on jobs, one at a time. Start as many as you like, on as many machines as you like."""
    names = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(QUEUES)):
        raise click.BadParameter(f"there is no queue {', '.join(unknown)}; there are {', '.join(QUEUES)}")
    config = configuration()
    ready(config, serves=True)
    os.nice(_NICENESS)
    jobs.prepare()
    try:
        RqDispatch(config.require_redis()).ping()
    except ConnectionError as error:
        raise click.ClickException(str(error)) from error
    with contextlib.suppress(StopRequested):
        while not _work(config, names):
            # RQ's worker gives up where Redis goes away in the midst of a job. Ours begins again.
            time.sleep(_PAUSE)
            log.warning("Redis was away; the worker begins again")


def _work(config: Config, names: Sequence[str]) -> bool:
    """Work until somebody asks to stop, or until Redis goes away in the midst of a job: False then."""
    sweep = max(int(config.sweep.total_seconds()), 1)
    try:
        connection = Redis.from_url(config.require_redis())
        found = PlangateWorker(
            [Queue(name, connection=connection) for name in names],
            connection=connection,
            maintenance_interval=sweep,
            worker_ttl=sweep + 15,
            log_job_description=False,
        )
        found.sweeper = RqDispatch(config.require_redis())
        # RQ tells of each chore that it does; we tell of each job ourselves.
        level = "DEBUG" if config.log_level is LogLevel.DEBUG else "WARNING"
        found.work(logging_level=level, with_scheduler=False)
    except RedisError as error:
        log.warning("Redis does not answer: %s", error)
        return False
    return found.asked_to_stop
